//! Default arguments of a guest, joined with those given at run time.
//!
//! `/app/args` holds one argument a line. An option given at run time (`--name value`, `--name=value`, `-n value`) takes
//! the place of the default of the same name, with its value. Everything else is appended. The runtime and exported
//! programs both take their arguments this way.

/// An option's name, without a value attached to it; `None` for other words.
fn option_name(word: &[u8]) -> Option<&[u8]> {
    let end = word.iter().position(|b| *b == b'=').unwrap_or(word.len());
    let name = word.get(..end)?;
    let dashes = name.iter().take_while(|b| **b == b'-').count();
    // A negative number is a value. Names start with a letter, of any alphabet.
    let first = name.get(dashes)?;
    (dashes > 0 && (first.is_ascii_alphabetic() || !first.is_ascii())).then_some(name)
}

/// Calls `put` with each argument of the guest: those of `defaults`, the content of `/app/args`, that were not
/// replaced, then those given.
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
    use alloc::string::String;
    use alloc::vec::Vec;

    fn joined(defaults: &str, given: &str) -> String {
        let defaults = defaults.replace(' ', "\n");
        let given: Vec<&[u8]> = given.split_whitespace().map(str::as_bytes).collect();
        let mut all: Vec<&str> = Vec::new();
        merge(defaults.as_bytes(), &given, |w| {
            all.push(core::str::from_utf8(w).unwrap())
        });
        all.join(" ")
    }

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
}
