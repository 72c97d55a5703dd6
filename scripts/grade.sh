#!/usr/bin/env bash
# Shows that lab grade survives what students hand in: makes up submissions to assignment 2 with every
# kind of trouble, grades them, and looks at each mark. Needs Linux, bubblewrap, unzip, gcc and Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(uname -s)" != Linux ] || ! command -v bwrap > /dev/null; then
    echo "skipped: lab grade needs Linux and bubblewrap"
    exit 0
fi
cargo build --quiet --bins
lab=$PWD/${CARGO_TARGET_DIR:-target}/debug/lab
case ${CARGO_TARGET_DIR-} in /*) lab=$CARGO_TARGET_DIR/debug/lab ;; esac
work=$(mktemp -d)
secret=$(mktemp "$HOME/lab-grade-secret-XXXXXX")
trap 'kill "$listener" 2> /dev/null || true; rm -rf "$work" "$secret"' EXIT
echo TOP-SECRET > "$secret"
export LAB_SECRET=here
# Something of the teacher's that listens.
TEACHERS_PORT=$((20000 + RANDOM % 10000))
export TEACHERS_PORT
python3 -m http.server --bind 127.0.0.1 "$TEACHERS_PORT" --directory "$work" 2> /dev/null &
listener=$!

python3 scripts/grade/submissions.py "$work/in" "$secret"
grade() {
    "$lab" grade 2 "$work/in" "$work/out" --term proof --patience 1s > "$work/said" 2>&1 || true
}
SECONDS=0
grade
cat "$work/said"
count=$(grep -c ' s$' "$work/said")
echo "$count zips in $SECONDS s"

failed=0
fail() { echo "FAIL  $*"; failed=1; }
marks() {
    awk -F'","' -v who="\"$1" '$1 == who { sum += $4 } END { print sum + 0 }' "$work/out/marks.csv"
}
# What the table says of a student.
says() { grep "^\"$1" "$work/out/marks.csv" | grep -q -- "$2" || fail "$1: the table lacks: $2"; }

for student in good nested mac notepad windows twice double daemon kills dots \
    links evil; do
    [ "$(marks $student)" = 60 ] || fail "$student has $(marks $student) marks, not 60"
done
for student in c includes buildrs utf16 nostart dies sleeps silent floods forks hog fills reads calls \
    empty huge random word rar-2.rar; do
    [ "$(marks $student)" -le 20 ] || fail "$student has $(marks $student) marks"
done
says c does-not-build
says includes does-not-build
says buildrs does-not-build
says nostart "start.txt is missing"
says forks " [0-9]* processes"
! grep -q "^\"forks.* 1000 processes" "$work/out/marks.csv" || fail "forks: nothing has stopped it"
says dies "=cmd()<script>"
says empty "empty\|cannot be unpacked"
says huge "huge: "
says random "huge: "
says word "no-zip: "
says rar-2.rar "lab pack writes one"
says "bài tập 2.zip" "whose is it"
says "Lê Văn Không" "no zip of assignment 2"
says "double: " "newer"
grep -q "500 found \[\]" "$work/out/teacher/reads.txt" || fail "reads: it has found something"
grep -q "500 reached \[\]" "$work/out/teacher/calls.txt" || fail "calls: it has reached something"
! grep -rqF TOP-SECRET "$work/out" || fail "the secret is out"
! grep -rqF "<script>" "$work/out/pages" || fail "a page holds a script"
[ ! -e /tmp/lab-grade-was-here ] || fail "a file is where none should be"
kill -0 "$listener" || fail "the teacher's program is gone"
# The second time, nothing is graded again.
SECONDS=0
cp "$work/out/marks.csv" "$work/before.csv"
grade
cmp "$work/before.csv" "$work/out/marks.csv" || fail "the second time, there are other marks"
[ "$(grep -c 'graded before' "$work/said")" = "$count" ] || fail "something was graded again"
echo "again in $SECONDS s"
# A question for each student; and on a machine to be thrown away, the same marks.
mkdir "$work/one"
cp "$work/in/good-2.zip" "$work/one/"
"$lab" grade 2 "$work/one" "$work/viva" --term proof --viva > "$work/said"
grep -q "^Without line .* of receiver.py" "$work/viva/teacher/good.txt" || fail "there is no question"
"$lab" grade 2 "$work/one" "$work/unsafe" --term proof --unsafe > "$work/said"
grep -q "good: 60 of 60 marks" "$work/said" || fail "with --unsafe: $(cat "$work/said")"
exit $failed
