//! Values of the options, from text.

use engine::tier::Mode;
use std::fmt;

/// Thresholds of O0, O1, O2 and O3; none is below the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Four(pub [u64; 4]);

impl fmt::Display for Four {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a},{b},{c},{d}")
    }
}

/// What is said of the functions that a pattern describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names of functions; `*` stands for any text.
    pub pattern: String,
    pub(crate) what: What,
}

/// The part of a rule behind the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Tier(Mode),
    Calls(Four),
    Loops(Four),
}

/// `auto`, `interp`, `O0` to `O3`.
pub(crate) fn tier(text: &str) -> Result<Mode, String> {
    text.parse()
        .map_err(|_| "use auto, interp, O0, O1, O2 or O3".to_owned())
}

/// 0 or 1.
pub(crate) fn compilers(text: &str) -> Result<u8, String> {
    match text.parse::<u8>() {
        Ok(n @ 0..=1) => Ok(n),
        _ => Err("at most one thread compiles: use 0 or 1".to_owned()),
    }
}

/// Four thresholds, e.g. `10,100,1000,10000`.
pub(crate) fn four(text: &str) -> Result<Four, String> {
    let mut values = Vec::new();
    for part in text.split(',') {
        let value = part.trim().parse::<u64>();
        values.push(value.map_err(|_| format!("{part:?} is no number that can be counted to"))?);
    }
    let four: [u64; 4] = values.try_into().map_err(|found: Vec<u64>| {
        format!(
            "four numbers are needed, for O0, O1, O2 and O3, e.g. 10,100,1000,10000; found {}",
            found.len()
        )
    })?;
    match four.windows(2).find(|w| w[0] > w[1]) {
        Some(w) => Err(format!(
            "a tier cannot begin before the one below it: {},{} goes down",
            w[0], w[1]
        )),
        None => Ok(Four(four)),
    }
}

/// `PATTERN=tier:O3`, `PATTERN=thresholds:1,2,3,4` or `PATTERN=loop-thresholds:1,2,3,4`.
pub(crate) fn rule(text: &str) -> Result<Rule, String> {
    const FORM: &str =
        "write PATTERN=tier:O3, PATTERN=thresholds:N,N,N,N or PATTERN=loop-thresholds:N,N,N,N";
    // Values hold no `=`; names of functions may.
    let (pattern, what) = text.rsplit_once('=').ok_or(FORM)?;
    if pattern.is_empty() {
        return Err("the pattern of function names is empty; `*` stands for all".into());
    }
    let (key, value) = what.split_once(':').ok_or(FORM)?;
    let what = match key {
        "tier" => What::Tier(tier(value)?),
        "thresholds" => What::Calls(four(value)?),
        "loop-thresholds" => What::Loops(four(value)?),
        _ => return Err(format!("{key:?} is not known; {FORM}")),
    };
    Ok(Rule {
        pattern: pattern.to_owned(),
        what,
    })
}

/// `FUNCTION:BLOCK`.
pub(crate) fn place(text: &str) -> Result<(String, u32), String> {
    const FORM: &str = "write FUNCTION:BLOCK, with the number of the block";
    // Names of functions may hold colons.
    let (function, block) = text.rsplit_once(':').ok_or(FORM)?;
    let block = block.parse().map_err(|_| FORM)?;
    Ok((function.to_owned(), block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Level;

    #[test]
    fn thresholds_come_back_as_they_are_printed() {
        let all = Four([1, 20, 300, u64::MAX]);
        assert_eq!(four(&all.to_string()), Ok(all));
        assert_eq!(four(" 0, 0,5,5"), Ok(Four([0, 0, 5, 5])));
        for wrong in ["", "1", "1,2,3,4,5", "1,2,3,-4", "4,3,2,1", "1,,2,3"] {
            assert!(four(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rules_say_one_thing_of_one_pattern() {
        let of = |text: &str| rule(text).map(|r| (r.pattern, r.what));
        let o3 = What::Tier(Mode::Fixed(Level::O3));
        assert_eq!(of("f*=tier:O3"), Ok(("f*".into(), o3)));
        assert_eq!(of("a=b=tier:O3"), Ok(("a=b".into(), o3)));
        let calls = What::Calls(Four([1, 2, 3, 4]));
        assert_eq!(of("f=thresholds:1,2,3,4"), Ok(("f".into(), calls)));
        for wrong in ["f", "f=", "f=O3", "f=tier:", "=tier:O3", "f=calls:1,2,3,4"] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
    }
}
