//! Between the counters of a running engine and the profile that is kept (`formats::profile`).

use super::Hash;
use crate::profile::FunctionProfile;
use crate::profile::cycles::CyclesReport;
use crate::tier::parts::{Function, Shared};
use formats::profile::{Argument, Function as KeptFunction, Site};
use std::sync::atomic::Ordering::Relaxed;

/// What is known of function `id`; `None` if it never ran.
pub(crate) fn of(shared: &Shared, id: u32, hash: Hash) -> Option<KeptFunction> {
    let (entry, f) = (shared.entry(id), shared.function(id));
    let p = &f.profile;
    let blocks = shared.block_counts(id);
    let (calls, back_edges) = (entry.calls(), shared.back_edges(id));
    if calls == 0 && back_edges == 0 && blocks.iter().all(|n| *n == 0) {
        return None;
    }
    let name_at = |address: u64| {
        let target = shared.image.function_at(address as usize)?;
        Some(target.name().to_owned())
    };
    let names = |top: Vec<(u64, u64)>| -> Vec<(String, u64)> {
        let named = top
            .into_iter()
            .filter_map(|(at, n)| Some((name_at(at)?, n)));
        named.collect()
    };
    let words = p.arguments().iter().zip(&f.survey.words);
    let arguments = words.map(|(argument, word)| {
        let top = argument.values.top();
        let (top, functions) = match word.is_pointer {
            true => (Vec::new(), names(top)),
            false => (top, Vec::new()),
        };
        Argument {
            total: argument.values.total(),
            top,
            alignments: argument.alignment.counts().to_vec(),
            nulls: argument.alignment.nulls(),
            functions,
        }
    });
    let sites = p.indirect().iter().map(|site| Site {
        total: site.total(),
        top: names(site.top()),
    });
    Some(KeptFunction {
        name: p.name().to_owned(),
        hash: hash.0,
        tier: p.tier() as u8,
        calls,
        back_edges,
        osr_entries: p.osr_entries.load(Relaxed),
        cycles: p
            .cycles
            .report()
            .map(|c| (c.samples, c.total, c.min, c.max)),
        blocks,
        arguments: arguments.collect(),
        sites: sites.collect(),
        is_generic: f.state().generic,
    })
}

/// Lets function `id` go on where an earlier run stopped. False if its shape is another now, as calls of
/// `bf_cpu_features` make it: then only its heat is taken over.
pub(crate) fn restore(shared: &Shared, id: u32, kept: &KeptFunction) -> bool {
    let (entry, f) = (shared.entry(id), shared.function(id));
    let p = &f.profile;
    entry.seed_calls(kept.calls);
    p.back_edges.fetch_add(kept.back_edges, Relaxed);
    p.osr_entries.fetch_add(kept.osr_entries, Relaxed);
    if let Some(jumps) = kept.back_edges.saturating_mul(16).checked_div(kept.calls) {
        f.jumps_of_call.store(jumps, Relaxed);
    }
    f.pace.begin(shared.rounds(id));
    f.state().generic = kept.is_generic;
    if !has_shape(f, p, kept) {
        return false;
    }
    if let Some((samples, total, min, max)) = kept.cycles {
        p.cycles.add(&CyclesReport {
            samples,
            total,
            min,
            max,
        });
    }
    let stub = |name: &String| shared.image.address(name);
    let addresses = |names: &[(String, u64)]| -> Vec<(u64, u64)> {
        let known = names.iter().filter_map(|(name, n)| Some((stub(name)?, *n)));
        known.collect()
    };
    for (argument, old) in p.arguments().iter().zip(&kept.arguments) {
        let mut top = old.top.clone();
        top.extend(addresses(&old.functions));
        argument.values.restore(old.total, &top);
        argument.alignment.restore(&old.alignments, old.nulls);
    }
    for (site, old) in p.indirect().iter().zip(&kept.sites) {
        site.restore(old.total, &addresses(&old.top));
    }
    let _ = f.past_blocks.set(kept.blocks.clone().into());
    true
}

fn has_shape(f: &Function, p: &FunctionProfile, kept: &KeptFunction) -> bool {
    let blocks = kept.blocks.len();
    // Functions that were never interpreted have no counts.
    (blocks == 0 || blocks == f.survey.blocks)
        && kept.arguments.len() == p.arguments().len()
        && kept.sites.len() == p.indirect().len()
}
