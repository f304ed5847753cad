//! A kept profile, put on the pristine module: counts, likely targets, variants, heat.
//!
//! The rules are those of the tiers (`tier::specialise`): the same shares decide what is worth code of its own. A function
//! whose shape differs from the profile's (another CPU folded other code away) keeps its heat only.

use crate::Error;
use crate::tier::{Survey, specialise as rules, survey};
use formats::profile::{Argument, Function, Profile};
use llvm::ir::View;
use llvm::{Known, Module, Variant};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Counts calls that no variant served; nobody reads it.
pub(super) const MISSES: &str = "bareflow.misses";

/// What of a profile was used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Functions whose counts fitted.
    pub functions: usize,
    /// Functions of the profile that are not in the program, or have another shape on this CPU.
    pub misfits: usize,
    /// Functions with guarded variants.
    pub specialised: usize,
    /// Calls through pointers that try a likely target first.
    pub promoted: usize,
    /// Functions optimised for size.
    pub cold: usize,
    /// Functions that ran, the hottest first.
    pub order: Vec<String>,
}

/// Whether the profile's numbers mean this function's blocks, parameters and calls.
fn fits(kept: &Function, survey: &Survey) -> bool {
    (kept.blocks.is_empty() || kept.blocks.len() == survey.blocks)
        && kept.arguments.len() == survey.words.len()
        && kept.sites.len() == survey.indirect_sites
}

/// How much a function did, for the order of code: measured cycles, else calls and backward jumps.
fn heat(kept: &Function) -> u64 {
    let work = kept.calls.saturating_add(kept.back_edges);
    match kept.cycles {
        Some((samples, total, ..)) if samples > 0 => {
            let each = total / samples;
            each.saturating_mul(kept.calls.max(samples)).max(work)
        }
        _ => work,
    }
}

/// Executions of the blocks. They were counted while the function was interpreted: scaled to all of its calls, so that
/// what got fast early does not look cold.
fn counts(kept: &Function) -> Vec<u64> {
    let counted = kept.blocks.first().copied().unwrap_or(0);
    let factor = kept.calls.checked_div(counted).unwrap_or(1).max(1);
    kept.blocks
        .iter()
        .map(|n| n.saturating_mul(factor))
        .collect()
}

/// The value that at least [`rules::SHARE`] of the calls had, with how often it was seen.
fn dominant<T: Clone>(total: u64, top: &[(T, u64)]) -> Option<(T, u64)> {
    let (value, count) = top.iter().max_by_key(|(_, n)| *n)?;
    let share = *count as f64 / total.max(1) as f64;
    (total >= rules::ENOUGH && share >= rules::SHARE).then(|| (value.clone(), *count))
}

/// The alignment in bytes that all pointers had, if it is worth something.
fn alignment(argument: &Argument) -> Option<u32> {
    let bits = argument.alignments.iter().position(|n| *n > 0)?;
    let bytes = 1u32.checked_shl(bits as u32)?;
    (16..=64).contains(&bytes).then_some(bytes)
}

/// The variant that nearly all calls would take, and the calls seen.
fn variant(kept: &Function, survey: &Survey, defined: &HashSet<String>) -> Option<(Variant, u64)> {
    let mut known = Vec::new();
    let (mut seen, mut count) = (0, u64::MAX);
    for (argument, word) in kept.arguments.iter().zip(&survey.words) {
        seen = seen.max(argument.total);
        let what = if word.is_pointer {
            dominant(argument.total, &argument.functions)
                .filter(|(name, _)| defined.contains(name))
                .map(|(name, n)| (Known::Function(name), n))
        } else {
            dominant(argument.total, &argument.top).map(|(value, n)| (Known::Int(value), n))
        };
        if let Some((what, n)) = what {
            known.push((word.index, what));
            count = count.min(n);
        }
    }
    if known.is_empty() {
        return None;
    }
    for (argument, word) in kept.arguments.iter().zip(&survey.words) {
        let is_free = !known.iter().any(|k| k.0 == word.index);
        if word.is_pointer
            && is_free
            && let Some(align) = alignment(argument)
        {
            known.push((word.index, Known::Align(align)));
        }
    }
    // One call more than was seen: the body for all others is not dead code.
    Some((Variant { known, count }, seen.max(count) + 1))
}

/// Makes the calls through pointers of a function try what they called mostly.
fn promote(module: &mut Module<'_>, kept: &Function, defined: &HashSet<String>) -> usize {
    let mut promoted = 0;
    for (site, seen) in kept.sites.iter().enumerate() {
        let likely: Vec<(&str, u64)> = seen
            .top
            .iter()
            .filter(|(name, n)| {
                *n as f64 >= rules::TARGET_SHARE * seen.total as f64 && defined.contains(name)
            })
            .map(|(name, n)| (name.as_str(), *n))
            .take(rules::MOST_TARGETS)
            .collect();
        if seen.total >= rules::ENOUGH && !likely.is_empty() {
            // What cannot be promoted stays a call through its pointer.
            let done = module.promote_call(&kept.name, site as u32, &likely, seen.total);
            promoted += usize::from(done.is_ok_and(|n| n > 0));
        }
    }
    promoted
}

/// Puts a profile on the module. Functions in `spared` are never called cold.
pub(super) fn apply(
    module: &mut Module<'_>,
    profile: &Profile,
    spared: &BTreeSet<String>,
) -> Result<Applied, Error> {
    let surveys = survey(View::new(module));
    let sizes: HashMap<String, (usize, bool)> = module
        .functions()
        .iter()
        .filter(|f| !f.is_declaration())
        .map(|f| (f.name(), (f.instruction_count(), f.shape().has_loop)))
        .collect();
    let defined: HashSet<String> = sizes.keys().cloned().collect();
    let mut applied = Applied::default();
    let (mut entries, mut blocks) = (Vec::new(), Vec::new());
    let mut ran = HashMap::new();
    let mut fitting = Vec::new();
    for kept in &profile.functions {
        let Some(survey) = surveys.get(&kept.name) else {
            applied.misfits += 1;
            continue;
        };
        ran.insert(kept.name.clone(), heat(kept));
        if !fits(kept, survey) {
            applied.misfits += 1;
            continue;
        }
        applied.functions += 1;
        fitting.push((kept, survey));
        let counts = counts(kept);
        if let Some(calls) = counts
            .first()
            .copied()
            .filter(|_| counts.iter().any(|n| *n > 0))
            && module.annotate_profile(&kept.name, calls, &counts).is_ok()
            && module.spare_expensive_unrolling(&kept.name).is_ok()
        {
            entries.push(calls);
            blocks.extend(counts.into_iter().skip(1));
        }
    }
    // Numbers of call sites are those of the pristine function: first all promotions, then variants, which copy bodies.
    for (kept, _) in &fitting {
        applied.promoted += promote(module, kept, &defined);
    }
    for (kept, survey) in &fitting {
        let (size, has_loop) = sizes.get(&kept.name).copied().unwrap_or_default();
        let could_pay = size <= rules::MOST_INSTRUCTIONS && (has_loop || survey.indirect_sites > 0);
        let variant = match could_pay && !kept.is_generic {
            true => variant(kept, survey, &defined),
            false => None,
        };
        if let Some((variant, seen)) = variant {
            let done = module.specialise(&kept.name, &[variant], seen, MISSES, None);
            applied.specialised += usize::from(done.is_ok());
        }
    }
    if !entries.is_empty() {
        module.summarise_profile(&entries, &blocks);
    }
    for name in &defined {
        if !ran.contains_key(name) && !spared.contains(name) {
            module.mark_cold(name);
            if let Some(f) = module.function(name) {
                f.set_attribute("optsize");
            }
            applied.cold += 1;
        }
    }
    let mut order: Vec<(u64, String)> = ran
        .into_iter()
        .filter(|(_, heat)| *heat > 0)
        .map(|(name, heat)| (heat, name))
        .collect();
    order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    applied.order = order.into_iter().map(|(_, name)| name).collect();
    Ok(applied)
}
