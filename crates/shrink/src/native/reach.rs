//! What the entry reaches: sections nobody refers to are left out.

use super::Error;
use super::read::{Input, Kind};

/// Marks the sections that the program needs.
///
/// # Errors
/// An entry that is not there, or is no code.
pub fn from(input: &Input<'_>, entry: &str) -> Result<Vec<bool>, Error> {
    let start = input
        .symbol(entry)
        .filter(|place| {
            let section = &input.sections[place.section];
            section.kind == Kind::Code && place.offset < section.size
        })
        .ok_or_else(|| Error::NoEntry {
            entry: entry.to_owned(),
        })?;
    let mut reached = vec![false; input.sections.len()];
    let mut waiting = vec![start.section];
    while let Some(index) = waiting.pop() {
        if std::mem::replace(&mut reached[index], true) {
            continue;
        }
        let relocations = &input.sections[index].relocations;
        waiting.extend(
            relocations
                .iter()
                .filter_map(|r| input.target(&r.target))
                .map(|p| p.section),
        );
    }
    Ok(reached)
}
