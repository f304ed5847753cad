//! Arguments: the program's own options, then the guest's.
//!
//! ```text
//!   native.elf [--root DIR] [--threads N] [--watchdog SECONDS] [--timings] ... -- guest arguments
//!   native.elf guest arguments                                                  (Linux only)
//! ```
//!
//! What stands before `--` is for the runtime or for us; words that mean nothing here (`--tier`, `--quiet`) are passed
//! over, so that a machine takes the same arguments whichever of its programs runs. The guest's are then joined with
//! those of `/app/args` below the root as `formats::arguments` says.

/// What the words before `--` ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own<'a> {
    /// Folder that takes the place of the volume.
    pub root: Option<&'a [u8]>,
    /// Threads the program may use.
    pub threads: Option<u32>,
    /// Seconds without progress after which the program is ended.
    pub watchdog: Option<u64>,
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
                } else if let Some(seconds) = value(word, b"--watchdog", &mut rest) {
                    own.watchdog = number(seconds).filter(|n| (1..=86_400).contains(n));
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

fn number<N: core::str::FromStr>(digits: &[u8]) -> Option<N> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_options_stand_before_the_dashes() {
        let words = |t: &'static str| t.split_whitespace().map(str::as_bytes).collect::<Vec<_>>();
        let list =
            words("--quiet --tier O3 --threads 2 --watchdog 5 --root=/r --timings -- --threads 9");
        let (own, guest) = split(&list, true);
        let expected = Own {
            root: Some(b"/r"),
            threads: Some(2),
            watchdog: Some(5),
            timings: true,
        };
        assert_eq!((own, guest), (expected, &words("--threads 9")[..]));
        let list = words("--threads 2");
        assert_eq!(split(&list, false), (Own::default(), &list[..]));
        assert_eq!(split(&list, true).0.threads, Some(2));
        assert!(split(&list, true).1.is_empty());
        assert_eq!(split(&words("--threads 0 --"), true).0.threads, None);
        assert_eq!(split(&words("--threads"), true).0.threads, None);
        assert_eq!(split(&words("--watchdog 0 --"), true).0.watchdog, None);
        assert_eq!(split(&words("-- -- x"), false).1, words("-- x"));
    }
}
