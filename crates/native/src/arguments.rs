//! Arguments: the program's own options, then the guest's, joined with the defaults of the volume.
//!
//! ```text
//!   native.elf [--root DIR] [--threads N] [--timings] ... -- guest arguments
//!   native.elf guest arguments                                                  (Linux only)
//! ```
//!
//! What stands before `--` is for the runtime or for us; words that mean nothing here (`--tier`, `--quiet`) are passed
//! over, so that a machine takes the same arguments whichever of its programs runs. `/app/args` below the root holds
//! one default argument a line. An option given at run time (`--name value`, `--name=value`, `-n value`) takes the
//! place of the default of the same name, with its value; everything else is appended.

/// What the words before `--` ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own<'a> {
    /// Folder that takes the place of the volume.
    pub root: Option<&'a [u8]>,
    /// Threads the program may use.
    pub threads: Option<u32>,
    /// Say how long the start took.
    pub timings: bool,
}

/// Splits the words (without the program's name) at the first `--`. Without one they are all the guest's on Linux and
/// none of them is on the machine, where the runtime would take them for its own.
pub fn split<'w, 'a>(words: &'w [&'a [u8]], is_machine: bool) -> (Own<'a>, &'w [&'a [u8]]) {
    let (before, guest) = match words.iter().position(|w| *w == b"--") {
        Some(at) => (
            words.get(..at).unwrap_or(&[]),
            words.get(at + 1..).unwrap_or(&[]),
        ),
        None if is_machine => (words, &[][..]),
        None => (&[][..], words),
    };
    let mut own = Own::default();
    let mut rest = before.iter();
    while let Some(word) = rest.next() {
        match value(word, b"--root", &mut rest) {
            Some(root) => own.root = Some(root),
            None if *word == b"--timings" => own.timings = true,
            None => {
                if let Some(threads) = value(word, b"--threads", &mut rest) {
                    own.threads = number(threads).filter(|n| (1..=256).contains(n));
                }
            }
        }
    }
    (own, guest)
}

/// The value of option `name`, attached or in the next word.
fn value<'a>(
    word: &'a [u8],
    name: &[u8],
    rest: &mut core::slice::Iter<'_, &'a [u8]>,
) -> Option<&'a [u8]> {
    match word.strip_prefix(name)? {
        [] => rest.next().copied(),
        [b'=', attached @ ..] => Some(attached),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// An option's name, without a value attached to it; `None` for other words.
fn option_name(word: &[u8]) -> Option<&[u8]> {
    let end = word.iter().position(|b| *b == b'=').unwrap_or(word.len());
    let name = word.get(..end)?;
    let dashes = name.iter().take_while(|b| **b == b'-').count();
    // A negative number is a value. Names start with a letter, of any alphabet.
    let first = name.get(dashes)?;
    (dashes > 0 && (first.is_ascii_alphabetic() || !first.is_ascii())).then_some(name)
}

/// Calls `put` with each argument of the guest: defaults that were not replaced, then those given.
pub fn merge<'a>(defaults: &'a [u8], given: &[&'a [u8]], mut put: impl FnMut(&'a [u8])) {
    let replaced = |word: &[u8]| {
        option_name(word).is_some_and(|name| given.iter().any(|g| option_name(g) == Some(name)))
    };
    let mut words = defaults
        .split(|b| *b == b'\n')
        .map(|line| {
            let end = line.iter().rposition(|b| *b != b'\r').map_or(0, |i| i + 1);
            line.get(..end).unwrap_or(line)
        })
        .filter(|line| !line.is_empty())
        .peekable();
    while let Some(word) = words.next() {
        if !replaced(word) {
            put(word);
        } else if !word.contains(&b'=') {
            // Its value goes with it, unless it was attached.
            words.next_if(|next| option_name(next).is_none());
        }
    }
    given.iter().for_each(|word| put(word));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(defaults: &str, given: &str) -> String {
        let defaults = defaults.replace(' ', "\n");
        let given: Vec<&[u8]> = given.split_whitespace().map(str::as_bytes).collect();
        let mut all: Vec<&str> = Vec::new();
        merge(defaults.as_bytes(), &given, |w| {
            all.push(std::str::from_utf8(w).unwrap())
        });
        all.join(" ")
    }

    /// The cases of the runtime's own tests.
    #[test]
    fn given_options_replace_defaults() {
        assert_eq!(joined("--model /m -n 32", "-n 8"), "--model /m -n 8");
        assert_eq!(joined("--model=/m -n 32", "--model /k"), "-n 32 --model /k");
        assert_eq!(joined("--json --seed 1", "--seed=2"), "--json --seed=2");
        assert_eq!(joined("--json -n 4", "--json"), "-n 4 --json");
        assert_eq!(joined("--temp -1 --x", "--temp 0"), "--x --temp 0");
        assert_eq!(joined("a b", "c"), "a b c");
        assert_eq!(joined("", "c"), "c");
    }

    #[test]
    fn lines_are_arguments() {
        let mut all = Vec::new();
        merge(b"--prompt\r\nOnce upon\n\n-n\n4", &[], |w| all.push(w));
        assert_eq!(all, [&b"--prompt"[..], b"Once upon", b"-n", b"4"]);
    }

    #[test]
    fn own_options_stand_before_the_dashes() {
        let words = |t: &'static str| t.split_whitespace().map(str::as_bytes).collect::<Vec<_>>();
        let list = words("--quiet --tier O3 --threads 2 --root=/r --timings -- --threads 9");
        let (own, guest) = split(&list, true);
        let expected = Own {
            root: Some(b"/r"),
            threads: Some(2),
            timings: true,
        };
        assert_eq!((own, guest), (expected, &words("--threads 9")[..]));
        let list = words("--threads 2");
        assert_eq!(split(&list, false), (Own::default(), &list[..]));
        assert_eq!(split(&list, true).0.threads, Some(2));
        assert!(split(&list, true).1.is_empty());
        assert_eq!(split(&words("--threads 0 --"), true).0.threads, None);
        assert_eq!(split(&words("--threads"), true).0.threads, None);
        assert_eq!(split(&words("-- -- x"), false).1, words("-- x"));
    }
}
