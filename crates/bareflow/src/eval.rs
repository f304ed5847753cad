//! `bareflow eval`: teacher forcing. Given tokens are fed; what the model thought of each is printed as JSON.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::cli::{EngineArgs, EvalArgs};
use crate::{Artifacts, Error, run};

/// Runs the evaluation; gives back this process's exit code.
///
/// # Errors
/// The input cannot be read, or the program not be run.
pub fn eval(args: &EvalArgs, artifacts: &Artifacts) -> Result<u8, Error> {
    let guest = match (&args.tokens, &args.text) {
        (Some(path), _) => vec!["--eval".to_owned(), token_list(path, &read(path)?)?],
        (None, Some(path)) => vec!["--eval-text".to_owned(), read(path)?],
        (None, None) => return Err(Error::NothingToEval),
    };
    if args.bare {
        let payload = run::payload_arguments(&EngineArgs::default(), true, guest);
        let (verdict, json) = run::boot_for_json(&args.image, artifacts, &args.machine, payload)?;
        run::print_all(&json)?;
        return Ok(run::report(verdict));
    }
    let mut command = run::hosted(
        &args.image,
        artifacts,
        &args.machine,
        &EngineArgs::default(),
    )?;
    let status = command
        .arg("--quiet")
        .arg("--")
        .args(guest)
        .stdin(Stdio::null())
        .status()
        .map_err(|e| Error::io("start", "runtime.elf", e))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))
}

/// `[1, 2, 3]` as the program takes it: `1,2,3`.
fn token_list(path: &Path, json: &str) -> Result<String, Error> {
    let wrong = |what: String| Error::BadTokens {
        path: path.into(),
        what,
    };
    let value: Value = serde_json::from_str(json).map_err(|e| wrong(e.to_string()))?;
    let ids = value
        .as_array()
        .ok_or_else(|| wrong("not an array".into()))?;
    let mut words = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let number = id.as_u64().and_then(|id| u32::try_from(id).ok());
        let number =
            number.ok_or_else(|| wrong(format!("element {index} is {id}, no token id")))?;
        words.push(number.to_string());
    }
    if words.is_empty() {
        return Err(wrong("the array is empty".into()));
    }
    Ok(words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_files_are_arrays_of_ids() {
        let list = |json| token_list(Path::new("ids.json"), json);
        assert_eq!(list("[1, 22,\n333]").unwrap(), "1,22,333");
        for wrong in ["", "{}", "[]", "[1.5]", "[-1]", "[\"1\"]", "[4294967296]"] {
            let error = list(wrong).unwrap_err().to_string();
            assert!(error.contains("ids.json"), "{error}");
        }
    }
}
