#!/usr/bin/env bash
# Proves that the assignments can be marked: scripts/assignments.sh prove [NUMBER]...
# What nobody has solved is red, the solution is green for three students, and each mistake is named by
# its own name first. Needs the Rust toolchain, git and Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1-}" = prove ] || { echo "say: scripts/assignments.sh prove [NUMBER]..." >&2; exit 2; }
shift

students="b20dccn001 b20dccn123 phuong"
term="a secret for this proof"
cargo build --quiet --bins
lab=${CARGO_TARGET_DIR:-target}/debug/lab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "assignments: $*" >&2; exit 1; }

# What is red on the base must have no marks: assignment $1 with the homework $2 and flags.
red() {
    local number=$1 homework=$2 status=0
    shift 2
    "$lab" mark "$number" --student nobody --homework "$homework" --patience 1s "$@" \
        > "$work/out" 2> "$work/err" || status=$?
    # 2: there was nothing that could be played.
    if [ "$status" = 0 ] || grep -qE '^ +(ok|caught) ' "$work/out"; then
        cat "$work/out"
        fail "$number: something is green before anybody has worked"
    fi
    # With status 2 there is no total.
    echo "  red on the base: $(grep '^  total' "$work/out" | tr -s ' ' || sed 's|/.*/||' "$work/err")"
}

# The solution in folder $2 gets all marks of assignment $1. Other students have other names and sizes on
# the pages; the own conversations are the same.
green() {
    local student
    mark_all "$1" lan "$2"
    [ -n "${3-}" ] || return 0
    mkdir -p "$work/green"
    cp -R "$2" "$work/green/$1"
    rm -f "$work/green/$1"/*.smtp.txt
    for student in $students; do
        "$lab" mark "$1" --student "$student" --term "$term" --homework "$work/green/$1" \
            > "$work/out" || true
        if grep -q FAIL "$work/out" || ! grep -q '^  public .*24/24' "$work/out" ||
            ! grep -q '^  hidden .*16/16' "$work/out"; then
            cat "$work/out"
            fail "$1: the solution is not green for $student"
        fi
        echo "  green for $student: $(sed -n '2,5s/^  \(.* = .*\)/\1/p' "$work/out" | paste -sd ' ' -)"
    done
}

mark_all() {
    if ! "$lab" mark "$1" --student "$2" --term "$term" --homework "$3" > "$work/out"; then
        cat "$work/out"
        fail "$1: the solution has not all marks"
    fi
    echo "  green: $(tail -n 1 "$work/out" | tr -s ' ')"
}

# The solution in folder $2 has no marks for what is new in class.
red_in_class() {
    "$lab" mark "$1" --student lan --in-class --homework "$2" > "$work/out" || true
    grep -q '^  total .* 60/100$' "$work/out" || { cat "$work/out"; fail "$1: in class"; }
    echo "  red in class: $(tail -n 1 "$work/out" | tr -s ' ')"
}

# With each patch of assignment $1, whose teacher's folder is $2, the first mistake that is named is the
# patch's.
named() {
    local patch name heard
    for patch in "$2"/mistakes/*.patch; do
        name=$(basename "$patch" .patch)
        rm -rf "$work/copy"
        mkdir -p "$work/copy/$2"
        cp -R "$2/solution" "$work/copy/$2/"
        rm -f "$work/copy/$2"/solution/*.smtp.txt
        git -C "$work/copy" init -q .
        git -C "$work/copy" apply "$PWD/$patch"
        "$lab" mark "$1" --student lan --term "$term" --patience 2s \
            --homework "$work/copy/$2/solution" > "$work/out" || true
        heard=$(sed -n 's/^ *mistake: *\([^:]*\):.*/\1/p' "$work/out" | head -n 1)
        [ "$heard" = "$name" ] || { cat "$work/out"; fail "$1: $name is called \"$heard\""; }
        echo "  named: $name"
    done
}

# Copies the project to folder $1, as if everything in it had just been written.
copy_project() {
    rm -rf "$1"
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
        tar --null -T - -cf - | tar -xmf - -C "$1"
    # Inside another repository, git apply would leave out every file.
    git -C "$1" init -q .
}

# Prints what solution.patch in folder $1 changes: few files that were there, and few lines.
count_changes() {
    local added file files=0 lines=0 new=0
    while read -r added _ file; do
        lines=$((lines + added))
        case $file in
            src/*) if [ -e "$file" ]; then files=$((files + 1)); else new=$((new + 1)); fi ;;
        esac
    done < <(git apply --numstat "$1/solution.patch")
    echo "  the solution adds $lines lines and $new room, and changes $files files in src"
    [ "$files" -le 4 ] && [ "$lines" -le 200 ] || fail "$1: the solution is too large"
}

# Builds the server in folder $1, and moves it to $2.
build_server() {
    CARGO_TARGET_DIR=$PWD/target/assignments CARGO_PROFILE_DEV_DEBUG=0 \
        cargo build --quiet --manifest-path "$1/Cargo.toml" --bin mini-smtpd
    mv target/assignments/debug/mini-smtpd "$2"
}

# Marks assignment $1 for student $2 with the server $3, the homework $4 and flags.
mark_server() {
    local number=$1 student=$2 server=$3 homework=$4
    shift 4
    "$lab" mark "$number" --student "$student" --term "$term" --homework "$homework" --start \
        "$server --listen 127.0.0.1:{port} --submission {submission} --pop3 {pop3} --mailboxes {mailboxes} {flags}" \
        "$@" > "$work/out" 2> "$work/err"
}

# Assignment $1, with the teacher's folder $2 and the student's page $3, extends this server.
extends_server() {
    local number=$1 teacher=$2 page=$3 source=$PWD/target/assignments/source student patch name heard
    red "$number" "$work/empty"
    count_changes "$teacher"
    copy_project "$source"
    git -C "$source" apply "$PWD/$teacher/solution.patch"
    build_server "$source" "$work/solved" 2> "$work/err"
    [ ! -s "$work/err" ] || { cat "$work/err"; fail "$number: the solution has warnings"; }
    for student in lan $students; do
        mark_server "$number" "$student" "$work/solved" "$teacher/solution" ||
            { cat "$work/out" "$work/err"; fail "$number: the solution has not all marks for $student"; }
        echo "  green for $student: $(tail -n 1 "$work/out" | tr -s ' ')"
    done
    mark_server "$number" lan "$work/solved" "$teacher/solution" --in-class || true
    grep -q '^  total .* 60/100$' "$work/out" || { cat "$work/out"; fail "$number: in class"; }
    echo "  red in class: $(tail -n 1 "$work/out" | tr -s ' ')"
    for patch in "$teacher"/mistakes/*.patch; do
        name=$(basename "$patch" .patch)
        git -C "$source" apply "$PWD/$patch"
        build_server "$source" "$work/broken" 2> "$work/err" || { cat "$work/err"; fail "$name"; }
        git -C "$source" apply -R "$PWD/$patch"
        mark_server "$number" lan "$work/broken" "$work/empty" --patience 2s || true
        heard=$(sed -n 's/^ *mistake: *\([^:]*\):.*/\1/p' "$work/out" | head -n 1)
        [ "$heard" = "$name" ] || { cat "$work/out"; fail "$number: $name is called \"$heard\""; }
        echo "  named: $name"
    done
    # What a student does with a conversation that is green.
    sed -i 's/^```smtp todo/```smtp/' "$source/$page" "$source/$teacher/hidden.md"
    (cd "$source" && CARGO_TARGET_DIR=$OLDPWD/target/assignments CARGO_PROFILE_DEV_DEBUG=0 \
        cargo test --quiet > "$work/out" 2>&1) || { cat "$work/out"; fail "$number: the suite"; }
    echo "  the whole suite passes with the solution"
}

prove() {
    local number=$1 page teacher
    page=$(echo docs/assignments/"$number"-*/README.md)
    teacher=docs/teacher/assignments/$(basename "$(dirname "$page")")
    echo "assignment $number"
    mkdir -p "$work/empty" "$work/page"
    case $number in
        0 | 3)
            # The page's own conversation, as it is printed.
            sed -n '/^ *```smtp/,/^ *```$/p' "$page" | sed '/```/d; s/^   //' > "$work/page/page.smtp.txt"
            red "$number" "$work/page"
            green "$number" "$teacher/solution"
            # What is for the class can be built; nobody has solved it.
            [ ! -d "$teacher/in-class" ] || red_in_class "$number" "$teacher/solution"
            ;;
        1)
            red "$number" "$work/empty"
            red "$number" "$work/empty" --start true
            green "$number" "$teacher/solution" others
            named "$number" "$teacher"
            red_in_class "$number" "$teacher/solution"
            ;;
        2)
            red "$number" "$work/empty"
            # It listens, and waits for the client to speak.
            red "$number" "$work/empty" --start "python3 -m http.server --bind 127.0.0.1 {port}"
            green "$number" "$teacher/solution" others
            named "$number" "$teacher"
            red_in_class "$number" "$teacher/solution"
            ;;
        4 | 5 | 6) extends_server "$number" "$teacher" "$page" ;;
        *) fail "nobody has said how to prove $number" ;;
    esac
}

for number in ${*:-0 1 2 3 4 5 6}; do
    prove "$number"
done
echo "proven in $((SECONDS / 60)) min $((SECONDS % 60)) s"
