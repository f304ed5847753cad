//! Error numbers of Linux on x86-64.

/// An error number; system calls return it negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Self = Self($number);)*
        }
    };
}

errnos! {
    PERM = 1, "Not allowed.";
    NOENT = 2, "No such file.";
    SRCH = 3, "No such thread.";
    INTR = 4, "Interrupted by a signal.";
    IO = 5, "The device failed.";
    BADF = 9, "No such open file.";
    AGAIN = 11, "Try again.";
    NOMEM = 12, "Not enough memory.";
    ACCES = 13, "Forbidden.";
    FAULT = 14, "Bad address.";
    EXIST = 17, "Exists already.";
    NODEV = 19, "No such device.";
    NOTDIR = 20, "Not a directory.";
    ISDIR = 21, "A directory.";
    INVAL = 22, "Bad argument.";
    MFILE = 24, "Too many open files.";
    NOTTY = 25, "Not a terminal.";
    FBIG = 27, "File too large.";
    NOSPC = 28, "The volume is full.";
    SPIPE = 29, "Cannot seek.";
    PIPE = 32, "Nobody reads the pipe.";
    RANGE = 34, "Result does not fit.";
    NAMETOOLONG = 36, "Name too long.";
    NOSYS = 38, "No such system call.";
    NOTEMPTY = 39, "Directory not empty.";
    NODATA = 61, "Not measured.";
    TIMEDOUT = 110, "Timed out.";
}
