/// A header, which no program of this tree compiles.
// [line]
int line();
// [/line]
