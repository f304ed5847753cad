//! Addresses of what the program does not define: the C library's, and those of libraries that are asked for.
//!
//! SAFETY of this file:
//! 1. `dlopen`, `dlsym` and `dlerror` get NUL-terminated strings and give back strings that are copied at once.
//! 2. No library is ever closed, so that addresses stay good.
#![allow(unsafe_code)]

use crate::error::Error;
use crate::{host, jit};
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;

unsafe extern "C" {
    fn atexit(f: extern "C" fn()) -> c_int;
    fn at_quick_exit(f: extern "C" fn()) -> c_int;
}

/// Some programs pass the address of this as the mark of "the main program".
static DSO_HANDLE: u8 = 0;

/// Loads libraries whose symbols programs expect without naming them, and those of the command line.
pub fn open_libraries(named: &[OsString], cpp: bool) -> Result<(), Error> {
    // The compiler's own helpers: 128-bit division, wide atomics. Who needs one that is not there is told its name.
    for name in [c"libm.so.6", c"libgcc_s.so.1", c"libatomic.so.1"] {
        let _ = open(name);
    }
    if cpp {
        open(c"libstdc++.so.6").map_err(|message| Error::Library {
            name: "stdc++".into(),
            message,
        })?;
    }
    for name in named {
        let file = file_of(name);
        let opened = match CString::new(file.as_bytes()) {
            Ok(c) => open(&c),
            Err(_) => Err("the name holds a NUL byte".into()),
        };
        opened.map_err(|message| Error::Library {
            name: name.to_string_lossy().into_owned(),
            message,
        })?;
    }
    Ok(())
}

/// `z` is `libz.so`; what looks like a file's name is one.
fn file_of(name: &OsStr) -> OsString {
    let text = name.as_bytes();
    if text.contains(&b'/') || text.windows(3).any(|w| w == b".so") {
        return name.to_owned();
    }
    let mut file = OsString::from("lib");
    file.push(name);
    file.push(".so");
    file
}

fn open(file: &CStr) -> Result<(), String> {
    // SAFETY: rules 1 and 2. A library's constructors run, as they would if the program were linked with it.
    unsafe {
        if libc::dlopen(file.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL).is_null() {
            let message = libc::dlerror();
            return Err(if message.is_null() {
                "no reason given".into()
            } else {
                CStr::from_ptr(message).to_string_lossy().into_owned()
            });
        }
    }
    Ok(())
}

/// The address of a symbol the program does not define.
pub fn resolve(name: &str) -> Option<usize> {
    // A front end's mark that the rest is the name as it is.
    let name = name.strip_prefix('\u{1}').unwrap_or(name);
    if let Some(address) = host::address(name)
        .or_else(|| jit::address(name))
        .or_else(|| linked(name))
    {
        return Some(address);
    }
    let name = CString::new(name).ok()?;
    // SAFETY: rule 1.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then(|| address.expose_provenance())
}

/// Symbols that glibc links into each program (libc_nonshared.a) or that are each program's own.
fn linked(name: &str) -> Option<usize> {
    let function = match name {
        "atexit" => atexit as *const (),
        "at_quick_exit" => at_quick_exit as *const (),
        "pthread_atfork" => libc::pthread_atfork as *const (),
        "stat" => libc::stat as *const (),
        "fstat" => libc::fstat as *const (),
        "lstat" => libc::lstat as *const (),
        "fstatat" => libc::fstatat as *const (),
        "mknod" => libc::mknod as *const (),
        "mknodat" => libc::mknodat as *const (),
        "__dso_handle" => (&raw const DSO_HANDLE).cast::<()>(),
        _ => return None,
    };
    Some(function.expose_provenance())
}

/// The variable of that name, if a library has one.
pub fn variable(name: &CStr) -> Option<*mut *mut c_char> {
    // SAFETY: rule 1.
    let address: *mut c_void = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then(|| address.cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_have_short_and_long_names() {
        for (name, file) in [
            ("z", "libz.so"),
            ("stdc++", "libstdc++.so"),
            ("libz.so.1", "libz.so.1"),
            ("./plugin", "./plugin"),
        ] {
            assert_eq!(file_of(OsStr::new(name)), file);
        }
    }

    #[test]
    fn what_programs_call_is_found() {
        open_libraries(&[], false).unwrap();
        for name in [
            "printf",
            "qsort",
            "sin",
            "stdout",
            "environ",
            "atexit",
            "stat",
            "__dso_handle",
            "__udivti3",
            "pthread_create",
            "strtod",
            "getline",
            "\u{1}malloc",
            "__errno_location",
            "__emutls_get_address",
        ] {
            assert!(resolve(name).is_some(), "{name}");
        }
        assert_eq!(resolve("no_such_function"), None);
        assert_eq!(resolve("a\0b"), None);
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let error = open_libraries(&["nowhere".into()], false).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("-l nowhere") && text.contains("libnowhere.so"),
            "{text}"
        );
    }
}
