#!/usr/bin/env bash
# Proves that the assignments can be marked: scripts/assignments.sh prove [NUMBER]...
# What nobody has solved is red, the solution is green for three students, and each mistake is named by
# its own name first. With the solutions of 4, 5 and 6 together, the whole suite passes.
# Needs the Rust toolchain, git and Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1-}" = prove ] || { echo "say: scripts/assignments.sh prove [NUMBER]..." >&2; exit 2; }
shift
numbers=${*:-0 1 2 3 4 5 6}

# Each of them has other values than the other two.
students="b20dccn001 b20dccn014 b20dccn155"
term="a secret for this proof"
# Playing is mostly waiting: so many checks run beside the one that builds its server.
at_once=4
count=0
cargo build --quiet --bins
lab=$(realpath "${CARGO_TARGET_DIR:-target}/debug/lab")
# All that is built from here on shall be there soon.
export CARGO_PROFILE_DEV_DEBUG=0
solved=$PWD/target/assignments/source
work=$(mktemp -d)
# Each check is a process group of its own, so that what it starts ends with it.
set -m
trap 'for job in $(jobs -pr); do kill -- "-$job" || true; done; rm -rf "$work"' EXIT
mkdir "$work/empty" "$work/page"
fail() { echo "assignments: $*" >&2; exit 1; }

# Starts a check beside others. What it says comes in one piece.
check() {
    local said=$work/$((count += 1))
    until [ "$(jobs -pr | wc -l)" -lt "$at_once" ]; do wait -n || true; done
    (
        if ("$@") > "$said.check" 2>&1; then
            echo "$2  $(cat "$said.check")"
        else
            echo "FAIL  $*: $(cat "$said.check")" | tee -a "$work/failed"
        fi
    ) &
}

# A check that cannot fail proves nothing: this one must, and say $2.
doubt() {
    if ("${@:3}") > "$said.doubt" 2>&1 || ! grep -qF "$2" "$said.doubt"; then
        cat "$said.doubt"
        fail "this should have failed, and said: $2"
    fi
    echo "as it should, it fails: ${*:3}"
}

# Marks assignment $1 for student $2 with flags.
mark() {
    "$lab" mark "$1" --student "$2" --term "$term" "${@:3}" > "$said" 2> "$said.err"
}

# Shows what was played, and why that is wrong.
wrong() { cat "$said" "$said.err"; fail "$*"; }

# What is red on the base must have no marks: assignment $1 with flags.
red() {
    local status=0
    mark "$1" nobody --patience 2s "${@:2}" || status=$?
    # 2: there was nothing that could be played.
    if [ "$status" = 0 ] || grep -qE '^ +(ok|caught) ' "$said"; then
        wrong "something is green before anybody has worked"
    fi
    # With status 2 there is no total.
    echo "red on the base: $(grep '^  total' "$said" | tr -s ' ' || sed 's|/.*/||' "$said.err")"
}

# All marks but those in class.
green() {
    mark "$1" lan "${@:2}" || wrong "the solution has not all marks"
    echo "green: $(tail -n 1 "$said" | tr -s ' ')"
}

# The solution for student $2, who has other names and sizes on the pages, and no conversations.
green_for() {
    local sums
    mark "$1" "$2" --program solution --homework "$work/empty" || true
    sums=$(grep -E '^  (public|hidden|unbroken) ' "$said" | tr -s ' /' ' ')
    [ "$(grep -c '^ \(public\|hidden\) \([0-9]*\) \2$' <<< "$sums")" = 2 ] &&
        ! grep '^ unbroken' <<< "$sums" | grep -qv ' \([0-9]*\) \1$' ||
        wrong "the solution is not green for $2"
    echo "green for $2: $(sed -n '2,5s/^  \(.* = .*\)/\1/p' "$said" | paste -sd ' ' -)"
}

# The solution has no marks for what is new in class.
red_in_class() {
    mark "$1" lan --in-class "${@:2}" || true
    grep -q '^  total .* 60/100$' "$said" || wrong "in class"
    echo "red in class: $(tail -n 1 "$said" | tr -s ' ')"
}

# With the mistake $2, the first one that is named is $3.
named() {
    local heard
    mark "$1" lan --program "$2" --homework "$work/empty" --patience 2s || true
    heard=$(sed -n 's/^ *mistake: *\([^:]*\):.*/\1/p' "$said" | head -n 1)
    [ "$heard" = "$3" ] || wrong "$2 is called \"$heard\""
    echo "named: $3"
}

# Prints what the solution in folder $2 changes: few files that were there, and few lines.
small() {
    local added file files=0 lines=0 new=0
    while read -r added _ file; do
        lines=$((lines + added))
        case $file in
            src/*) if [ -e "$file" ]; then files=$((files + 1)); else new=$((new + 1)); fi ;;
        esac
    done < <(git apply --numstat "$2/solution.patch")
    echo "the solution adds $lines lines and $new room, and changes $files files in src"
    [ "$files" -le 4 ] && [ "$lines" -le 200 ] || fail "the solution is too large"
}

# What students get has no line of a solution.
starter() {
    scripts/starter.sh --look
}

# Starts the checks of assignment $1, with the teacher's folder $2 and the student's page $3.
prove() {
    local student patch name solution=(--homework "$2/solution")
    case $1 in
        0 | 3)
            # The page's own conversation, as it is printed.
            mkdir "$work/page/$1"
            sed -n '/^ *```smtp/,/^ *```$/p' "$3" | sed '/```/d; s/^   //' > "$work/page/$1/page.smtp.txt"
            check red "$1" --homework "$work/page/$1"
            check green "$1" "${solution[@]}"
            # What is for the class can be built; nobody has solved it.
            [ ! -d "$2/in-class" ] || check red_in_class "$1" "${solution[@]}"
            return
            ;;
        1)
            check red "$1" --homework "$work/empty"
            check red "$1" --start true
            ;;
        2)
            check red "$1" --homework "$work/empty"
            # It listens, and waits for the client to speak.
            check red "$1" --start "python3 -m http.server --bind 127.0.0.1 {port}"
            ;;
        4 | 5 | 6)
            check small "$1" "$2"
            check red "$1" --homework "$work/empty"
            solution+=(--program solution)
            ;;
        *) fail "nobody has said how to prove $1" ;;
    esac
    check green "$1" "${solution[@]}"
    check red_in_class "$1" "${solution[@]}"
    for student in $students; do check green_for "$1" "$student"; done
    for patch in "$2"/mistakes/*.patch; do
        name=$(basename "$patch" .patch)
        check named "$1" "$name" "$name"
    done
    if [ "$1" = 2 ]; then
        check doubt 2 "something is green" red 2 --program solution
        check doubt 2 "has not all marks" green 2 "${solution[@]}" --program one-at-a-time
        check doubt 2 "is called" named 2 half-a-mail dots-stay
    fi
}

# Copies the project, as if everything in it had just been written, and solves assignments there.
solve() {
    local number page teacher
    rm -rf "$solved"
    mkdir -p "$solved"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
        tar --null -T - -cf - | tar -xmf - -C "$solved"
    # Inside another repository, git apply would leave out every file.
    git -C "$solved" init -q .
    for number in "$@"; do
        page=$(echo docs/assignments/"$number"-*/README.md)
        teacher=docs/teacher/assignments/$(basename "$(dirname "$page")")
        git -C "$solved" apply "$PWD/$teacher/solution.patch"
        # What a student does with a conversation that is green.
        sed -i 's/^```smtp todo/```smtp/' "$solved/$page" "$solved/$teacher/hidden.md"
    done
}

# Runs the tests of the copy.
suite() {
    CARGO_TARGET_DIR=$PWD/target/assignments RUSTFLAGS='-D warnings' \
        nice cargo test --quiet --manifest-path "$solved/Cargo.toml" "$@" > "$work/tests" 2>&1
}

servers=$(for number in $numbers; do case $number in 4 | 5 | 6) echo "$number" ;; esac; done)
[ -z "$servers" ] || solve $servers
[ -z "$servers" ] || suite --no-run & building=$!
check starter "*"
for number in $numbers; do
    page=$(echo docs/assignments/"$number"-*/README.md)
    prove "$number" docs/teacher/assignments/"$(basename "$(dirname "$page")")" "$page"
done
wait "$building" || true
wait
[ ! -e "$work/failed" ] || fail "$(grep -c ^FAIL "$work/failed") checks have failed"
# By itself, because there are tests of time among them.
if [ -n "$servers" ]; then
    # One solution is within the figure of the tour, three at once are not.
    suite -- --skip tour_knows_how_long || { cat "$work/tests"; fail "the suite fails with the solutions of" $servers; }
    echo "the whole suite passes with the solutions of" $servers
fi
echo "proven in $((SECONDS / 60)) min $((SECONDS % 60)) s"
