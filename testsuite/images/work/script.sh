#!/bin/sh
# Built-in commands only: no fork.
total=0
while read -r number; do
    total=$((total + number))
done < /work/numbers
echo "arguments: $# $*"
echo "total: $total"
case $1 in
    a*) echo "begins with a" ;;
    *) echo "something else" ;;
esac
exit 3
