#!/usr/bin/env bash
# Makes what students get: scripts/starter.sh OUT.zip [--prove]
# No teacher's pages, no solutions, no hidden conversations, no history; the packages are inside, so that
# it builds and passes its tests without a network. --prove unpacks it and tries that. With --look in
# place of a zip, it only looks whether a solution would be in it.
# Needs the Rust toolchain, git and Python 3; --prove needs Linux and unzip.
set -euo pipefail
zip=${1:?say where the zip goes: scripts/starter.sh OUT.zip [--prove]}
if [ "$zip" != --look ]; then
    mkdir -p "$(dirname "$zip")"
    zip=$(cd "$(dirname "$zip")" && pwd)/$(basename "$zip")
fi
cd "$(dirname "$0")/.."

# All that only teachers and developers need.
leave_out=(docs/teacher docs/teaching.md scripts/starter.sh scripts/assignments.sh scripts/grade.sh
    scripts/grade tests/translations.rs .ci .github)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/mini-smtpd
mkdir "$folder"
git ls-files -z --cached --others --exclude-standard -- . "${leave_out[@]/#/:!}" |
    while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
    tar --null -T - -cf - | tar -xf - -C "$folder"
# No file in it has more than two long lines that a solution adds: one or two are what everybody writes.
# A line that a solution has moved is not its own.
for solution in docs/teacher/assignments/*/solution.patch docs/teacher/assignments/*/solution/*.py; do
    case $solution in
        *.patch) grep '^+' "$solution" | sed 's/^+//' | grep -vxFf <(sed -n 's/^-//p' "$solution") ;;
        *) cat "$solution" ;;
    esac | grep -E '^.{40,}$' | sort -u > "$work/lines"
    while IFS= read -r -d '' file; do
        count=$(grep -xFf "$work/lines" "$file" | sort -u | wc -l)
        [ "$count" -le 2 ] || { echo "starter: ${file#"$folder"/} has $count lines of $solution" >&2; exit 1; }
    done < <(grep -rlZxFf "$work/lines" "$folder" || true)
done
if [ "$zip" = --look ]; then
    echo "the starter has $(find "$folder" -type f | wc -l) files, and none of them a solution"
    exit 0
fi

mkdir "$folder/homework"
echo "Your homework lies here: homework/2 for assignment 2. See docs/assignments." > "$folder/homework/README.txt"

# `cargo vendor` prints the lines that make cargo use the folder.
(cd "$folder" && cargo vendor --locked vendor 2> "$work/said" > "$work/vendor.toml")
{
    printf '\n# The packages lie in the folder vendor.\n'
    cat "$work/vendor.toml"
    printf '\n[net]\noffline = true\n'
} >> "$folder/.cargo/config.toml"
# Their checksums are those of the very octets.
echo '/vendor/** -text' >> "$folder/.gitattributes"

rm -f "$zip"
python=python3
if ! $python -c '' 2> /dev/null; then python=python; fi
(cd "$work" && $python -m zipfile -c "$zip" mini-smtpd)
echo "$zip: $(wc -c < "$zip") octets"
[ "${2-}" = --prove ] || exit 0

# Unpacked in an empty folder, by somebody who has fetched no package and has no network.
mkdir "$work/student" "$work/cargo"
(cd "$work/student" && unzip -q "$zip")
cd "$work/student/mini-smtpd"
for path in "${leave_out[@]}" .git; do
    [ ! -e "$path" ] || { echo "starter: $path is in the zip" >&2; exit 1; }
done
alone() {
    CARGO_HOME=$work/cargo CARGO_TARGET_DIR=$work/student/target PATH=$(rustc --print sysroot)/bin:$PATH \
        unshare --user --map-current-user --net sh -c "ip link set lo up 2> /dev/null || true; $1"
}
alone 'cargo test --offline --quiet' > "$work/tested" 2>&1 || { cat "$work/tested"; exit 1; }
echo "without a network, $(grep -c '^test result: ok' "$work/tested") groups of tests pass"
