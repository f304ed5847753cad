//! Default guest arguments, joined with those given at run time.
//!
//! `/app/args` holds one argument a line. An option given at run time (`--name value`, `--name=value`, `-n value`) takes
//! the place of the default of the same name, with its value. Everything else is appended.

/// An option's name, without a value attached to it; `None` for other words.
fn option_name(word: &str) -> Option<&str> {
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    let rest = name.trim_start_matches('-');
    // A negative number is a value.
    let is_option = name.len() > rest.len() && rest.starts_with(|c: char| c.is_alphabetic());
    is_option.then_some(name)
}

/// The lines of `/app/args`.
pub fn parse_defaults(text: &str) -> Vec<String> {
    text.lines()
        .map(|l| l.trim_end_matches('\r'))
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Joins defaults and given arguments.
pub fn merge(defaults: &[String], given: &[String]) -> Vec<String> {
    let replaced = |word: &str| {
        option_name(word).is_some_and(|name| given.iter().any(|g| option_name(g) == Some(name)))
    };
    let mut merged = Vec::new();
    let mut words = defaults.iter().peekable();
    while let Some(word) = words.next() {
        if replaced(word) {
            // Its value goes with it, unless it was attached.
            if !word.contains('=') {
                words.next_if(|next| option_name(next).is_none());
            }
        } else {
            merged.push(word.clone());
        }
    }
    merged.extend_from_slice(given);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(defaults: &str, given: &str) -> String {
        let words = |t: &str| t.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        merge(&words(defaults), &words(given)).join(" ")
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
        assert_eq!(
            parse_defaults("--prompt\r\nOnce upon\n\n-n\n4"),
            ["--prompt", "Once upon", "-n", "4"]
        );
    }
}
