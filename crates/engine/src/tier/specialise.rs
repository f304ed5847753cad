//! What is worth code of its own: arguments that repeat, and targets of calls through pointers.
//!
//! - A *variant* is made for the combination of arguments that nearly all calls share; a small function gets up to three
//!   where one more argument has a few values in nearly all calls. Numbers count if they are not the
//!   address of data; pointers count as functions when they are one. It pays where the function loops over them or
//!   calls through them, so functions without loops and calls through pointers get none.
//! - The alignment that pointers had in all calls comes along with that. Alone it is reason enough only where the function
//!   asks for it (bytes up to a boundary, then words): those questions go. For vectors it is none: with AVX
//!   processors load what is aligned as fast either way, and the same instructions do it.
//! - A call through a pointer is *promoted* for targets that make up most of its calls.

use super::function::Function;
use super::shared::Shared;
use crate::interp::FuncEntry;
use llvm::{Known, Variant};

/// Calls that must have been seen.
pub(crate) const ENOUGH: u64 = 16;
/// Share of the calls that must agree.
pub(crate) const SHARE: f64 = 0.9;
/// Most instructions of a function that gets variants: each has the whole body again.
pub(crate) const MOST_INSTRUCTIONS: usize = 500;
/// Share of a call's targets from which one is tried first.
pub(crate) const TARGET_SHARE: f64 = 0.3;
/// Most targets that are tried.
pub(crate) const MOST_TARGETS: usize = 2;

/// Most variants of one function.
const MOST_VARIANTS: usize = 3;
/// Share of the calls that each of several variants must serve.
const PART: f64 = 0.2;
/// Calls that must have been seen before a function gets several.
const ENOUGH_FOR_SEVERAL: u64 = 32;
/// Pointers that must have been seen where their alignment is all that is known.
const ENOUGH_FOR_ALIGNMENT: u64 = 64;
/// Most instructions of a function that gets several.
const MOST_OF_SEVERAL: usize = 150;

/// A call through a pointer, with what it calls mostly.
pub(crate) struct Targets {
    pub site: u32,
    /// Function and times seen, most frequent first.
    pub callees: Vec<(String, u64)>,
    pub total: u64,
}

/// The guest function whose stub is at `address`.
fn function_at(shared: &Shared, address: u64) -> Option<&FuncEntry> {
    shared.image.function_at(address as usize)
}

/// Calls through pointers that are worth promoting.
pub(crate) fn targets(shared: &Shared, f: &Function) -> Vec<Targets> {
    let mut all = Vec::new();
    for (site, values) in f.profile.indirect().iter().enumerate() {
        let total = values.total();
        if total < ENOUGH {
            continue;
        }
        let callees: Vec<(String, u64)> = values
            .top()
            .into_iter()
            .filter(|(_, n)| *n as f64 >= TARGET_SHARE * total as f64)
            .filter_map(|(address, n)| Some((function_at(shared, address)?.name().to_owned(), n)))
            .take(MOST_TARGETS)
            .collect();
        if !callees.is_empty() {
            all.push(Targets {
                site: site as u32,
                callees,
                total,
            });
        }
    }
    all
}

/// Whether variants of a function could be worth their code: it loops or calls through pointers, and is not too large.
pub(crate) fn could_pay(shared: &Shared, f: &Function, size: usize) -> bool {
    let loops = shared
        .image
        .function(f.profile.name())
        .and_then(FuncEntry::code)
        .map_or(0, |c| c.loops().len());
    size <= MOST_INSTRUCTIONS
        && !f.survey.words.is_empty()
        && (loops > 0 || f.survey.indirect_sites > 0)
}

/// Variants that are worth their code, and how many calls were seen.
pub(crate) fn variants(shared: &Shared, f: &Function, size: usize) -> (Vec<Variant>, u64) {
    if !could_pay(shared, f, size) {
        return (Vec::new(), 0);
    }
    let mut seen = 0;
    let mut known = Vec::new();
    let mut count = u64::MAX;
    for (argument, word) in f.profile.arguments().iter().zip(&f.survey.words) {
        let total = argument.values.total();
        seen = seen.max(total);
        let Some((value, share)) = argument.values.dominant(SHARE) else {
            continue;
        };
        if total < ENOUGH {
            continue;
        }
        // Which data it is says nothing about the next call.
        if let Some(what) = known_of(shared, word.is_pointer, value) {
            known.push((word.index, what));
            count = count.min((total as f64 * share) as u64);
        }
    }
    let parts = if size <= MOST_OF_SEVERAL {
        parts(shared, f)
    } else {
        Vec::new()
    };
    let is_alone = known.is_empty() && parts.is_empty();
    if is_alone && !f.survey.asks_alignment {
        return (Vec::new(), seen);
    }
    for (argument, word) in f.profile.arguments().iter().zip(&f.survey.words) {
        let is_free = !known.iter().any(|k| k.0 == word.index);
        if word.is_pointer
            && is_free
            && let Some(align) = argument.alignment.at_least(1.0).filter(|a| *a >= 16)
        {
            let pointers: u64 = argument.alignment.counts().iter().sum();
            if is_alone && pointers < ENOUGH_FOR_ALIGNMENT {
                continue;
            }
            known.push((word.index, Known::Align(align as u32)));
            count = count.min(pointers);
        }
    }
    if known.is_empty() && parts.is_empty() {
        return (Vec::new(), seen);
    }
    // One call more than was seen: the body for all others is not dead code.
    if parts.is_empty() {
        return (vec![Variant { known, count }], seen + 1);
    }
    let of_part = |(index, what, n): (u32, Known, u64)| Variant {
        known: known.iter().cloned().chain([(index, what)]).collect(),
        count: n,
    };
    (parts.into_iter().map(of_part).collect(), seen + 1)
}

/// What is known of an argument with a value, if that is worth knowing.
fn known_of(shared: &Shared, is_pointer: bool, value: u64) -> Option<Known> {
    match is_pointer {
        true => function_at(shared, value).map(|callee| Known::Function(callee.name().to_owned())),
        false => Some(Known::Int(value)),
    }
}

/// The few values that one argument has in nearly all calls, with the calls that had them; empty if none has.
fn parts(shared: &Shared, f: &Function) -> Vec<(u32, Known, u64)> {
    let places = f.profile.arguments().iter().zip(&f.survey.words);
    for (argument, word) in places {
        let total = argument.values.total();
        let least = (total as f64 * PART) as u64;
        let top = argument.values.top().into_iter();
        let parts: Vec<(u32, Known, u64)> = top
            .filter(|(_, n)| *n >= least.max(1))
            .filter_map(|(value, n)| {
                Some((word.index, known_of(shared, word.is_pointer, value)?, n))
            })
            .collect();
        let served: u64 = parts.iter().map(|p| p.2).sum();
        if total >= ENOUGH_FOR_SEVERAL
            && (2..=MOST_VARIANTS).contains(&parts.len())
            && served as f64 >= SHARE * total as f64
        {
            return parts;
        }
    }
    Vec::new()
}

/// What variants assume, for people: `2 = 24, 3 = 16 or 2 = 24, 3 = 8`; parameters are counted from 0.
pub(crate) fn describe(variants: &[Variant]) -> String {
    let one = |(parameter, known): &(u32, Known)| match known {
        Known::Int(value) => format!("{parameter} = {value}"),
        Known::Function(name) => format!("{parameter} = @{name}"),
        Known::Align(bytes) => format!("align({parameter}) >= {bytes}"),
    };
    let all = |v: &Variant| v.known.iter().map(one).collect::<Vec<_>>().join(", ");
    variants.iter().map(all).collect::<Vec<_>>().join(" or ")
}

/// Functions a variant knows of: they come along to be inlined.
pub(crate) fn functions(variant: &Variant) -> Vec<String> {
    variant
        .known
        .iter()
        .filter_map(|(_, k)| match k {
            Known::Function(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}
