# filter.sh ROOT OUT FILE: what site.py has written for Doxygen to read in place of FILE.
exec cat "$2/read/${3#"$1/"}"
