//! How often each way out of a block was taken, from how often the blocks ran.
//!
//! A block runs as often as the ways into it are taken, and as the ways out of it are unless it ends the function: where
//! all but one of them are known, the last is the difference; where nothing is left over, the unknown ones were never taken.
//! That is repeated until nothing new is learnt, as the C++ shim does for LLVM's branch weights. So a branch costs nothing to
//! count. What stays open is rare, such as two ways out of a block that both lead where others lead, too: [`open`] finds the
//! fewest ways that have to be counted, which the interpreter does.
//!
//! Counts of a program that runs need not add up (a call never returned, a loop went on in other code): what comes out below
//! zero is zero.

use serde::{Deserialize, Serialize};

/// A conditional branch or a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchReport {
    /// The block it ends, in the order of the pristine IR.
    pub block: u32,
    /// Where it leads: blocks in the order of its operands, each of them once.
    pub to: Vec<u32>,
    /// How often it went to each of them; null when the counts of the blocks do not tell.
    pub taken: Option<Vec<u64>>,
}

/// A way from one block to another, all of them taken together.
struct Edge {
    from: u32,
    to: u32,
    taken: Option<u64>,
}

/// The ways of a function, each pair of blocks once, and for each block those into it and out of it.
struct Graph {
    edges: Vec<Edge>,
    around: Vec<[Vec<usize>; 2]>,
}

const IN: usize = 0;
const OUT: usize = 1;

impl Graph {
    /// None if a block leads to one that is not there.
    fn new(successors: &[Box<[u32]>]) -> Option<Graph> {
        let mut edges: Vec<Edge> = Vec::new();
        let mut around = vec![[Vec::new(), Vec::new()]; successors.len()];
        for (from, all) in (0..).zip(successors) {
            for (i, to) in all.iter().enumerate() {
                if all[..i].contains(to) {
                    continue;
                }
                around.get_mut(*to as usize)?[IN].push(edges.len());
                around[from as usize][OUT].push(edges.len());
                edges.push(Edge {
                    from,
                    to: *to,
                    taken: None,
                });
            }
        }
        Some(Graph { edges, around })
    }
}

/// The ways that have to be counted beside the blocks, so that all are known. `successors` are those of each block.
pub fn open(successors: &[Box<[u32]>]) -> Vec<(u32, u32)> {
    let Some(Graph { edges, around }) = Graph::new(successors) else {
        return Vec::new();
    };
    let mut known = vec![false; edges.len()];
    let mut unknown: Vec<[usize; 2]> = (around.iter().enumerate())
        // The first block is entered by calls, too: nothing follows from the ways into it.
        .map(|(n, sides)| {
            [
                if n > 0 { sides[IN].len() } else { usize::MAX },
                sides[OUT].len(),
            ]
        })
        .collect();
    let mut last = Vec::new();
    for (block, sides) in unknown.iter().enumerate() {
        last.extend(
            [IN, OUT]
                .into_iter()
                .filter(|s| sides[*s] == 1)
                .map(|s| (block, s)),
        );
    }
    let mut counted = Vec::new();
    for (next, edge) in edges.iter().enumerate() {
        loop {
            // Everything that follows from what is known, and then one way more.
            let found = match last.pop() {
                Some((block, side)) => around[block][side].iter().copied().find(|e| !known[*e]),
                None if known[next] => break,
                None => {
                    counted.push((edge.from, edge.to));
                    Some(next)
                }
            };
            let Some(found) = found else {
                continue;
            };
            known[found] = true;
            for (block, side) in [(edges[found].from, OUT), (edges[found].to, IN)] {
                let block = block as usize;
                unknown[block][side] -= 1;
                if unknown[block][side] == 1 {
                    last.push((block, side));
                }
            }
        }
    }
    counted
}

/// What the branches of a function did. `successors` are those of each block, `counts` its executions, `counted` the ways
/// that were counted beside them. Empty if the blocks were not counted.
pub fn branches(
    successors: &[Box<[u32]>],
    counts: &[u64],
    counted: &[((u32, u32), u64)],
) -> Vec<BranchReport> {
    if counts.len() != successors.len() || counts.iter().all(|n| *n == 0) {
        return Vec::new();
    }
    let Some(Graph { mut edges, around }) = Graph::new(successors) else {
        return Vec::new();
    };
    for (way, n) in counted {
        let mut all = edges.iter_mut();
        if let Some(edge) = all.find(|e| (e.from, e.to) == *way) {
            edge.taken = Some(*n);
        }
    }
    loop {
        let mut is_new = false;
        for (block, sides) in around.iter().enumerate() {
            if block > 0 {
                is_new |= learn(&mut edges, &sides[IN], counts[block]);
            }
            is_new |= learn(&mut edges, &sides[OUT], counts[block]);
        }
        if !is_new {
            break;
        }
    }
    let branching = (0..).zip(&around).filter(|b| b.1[OUT].len() > 1);
    branching
        .map(|(block, sides)| BranchReport {
            block,
            to: sides[OUT].iter().map(|e| edges[*e].to).collect(),
            taken: sides[OUT].iter().map(|e| edges[*e].taken).collect(),
        })
        .collect()
}

/// Learns what the sum of some edges tells about them.
fn learn(edges: &mut [Edge], sides: &[usize], sum: u64) -> bool {
    let known = sides.iter().filter_map(|e| edges[*e].taken);
    let known = known.fold(0, u64::saturating_add);
    let unknown = sides.iter().filter(|e| edges[**e].taken.is_none()).count();
    let left = sum.saturating_sub(known);
    if unknown == 0 || (unknown > 1 && left > 0) {
        return false;
    }
    for e in sides {
        edges[*e].taken.get_or_insert(left);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(successors: &[&[u32]]) -> Vec<Box<[u32]>> {
        successors.iter().map(|s| Box::from(*s)).collect()
    }

    fn of(successors: &[&[u32]], counts: &[u64]) -> Vec<(u32, Option<Vec<u64>>)> {
        let found = branches(&boxed(successors), counts, &[]).into_iter();
        found.map(|b| (b.block, b.taken)).collect()
    }

    #[test]
    fn a_loop_with_a_condition_in_it() {
        // 0 -> 1; 1 -> 2 or 5; 2 -> 3 or 4; 3 -> 4; 4 -> 1
        let found = of(
            &[&[1], &[2, 5], &[3, 4], &[4], &[1], &[]],
            &[7, 107, 100, 30, 100, 7],
        );
        assert_eq!(found, [(1, Some(vec![100, 7])), (2, Some(vec![30, 70]))]);
    }

    #[test]
    fn a_switch_with_cases_that_share_a_block() {
        let found = of(&[&[1, 2, 2, 3], &[3], &[3], &[]], &[10, 4, 5, 10]);
        assert_eq!(found, [(0, Some(vec![4, 5, 1]))]);
    }

    #[test]
    fn what_the_counts_do_not_tell_is_not_invented() {
        // Two blocks that both lead to the same two.
        let crossing: [&[u32]; 6] = [&[1, 2], &[3, 4], &[3, 4], &[5], &[5], &[]];
        let found = of(&crossing, &[10, 6, 4, 5, 5, 10]);
        assert_eq!(found, [(0, Some(vec![6, 4])), (1, None), (2, None)]);
        // Unless one of them never ran.
        let found = of(&crossing, &[10, 10, 0, 3, 7, 10]);
        assert_eq!(found[1..], [(1, Some(vec![3, 7])), (2, Some(vec![0, 0]))]);
    }

    #[test]
    fn the_fewest_ways_are_counted() {
        let crossing: [&[u32]; 6] = [&[1, 2], &[3, 4], &[3, 4], &[5], &[5], &[]];
        let all = boxed(&crossing);
        // One of four is enough.
        assert_eq!(open(&all), [(1, 3)]);
        let counts = [10, 6, 4, 5, 5, 10];
        let found = branches(&all, &counts, &[((1, 3), 2)]);
        let taken: Vec<_> = found.into_iter().filter_map(|b| b.taken).collect();
        assert_eq!(taken, [vec![6, 4], vec![2, 4], vec![3, 1]]);
        // A loop with a condition in it needs none, nor does a switch.
        let tame: [&[u32]; 6] = [&[1], &[2, 5], &[3, 4], &[4], &[1], &[]];
        assert_eq!(open(&boxed(&tame)), []);
        assert_eq!(open(&boxed(&[&[1, 2, 2, 3], &[3], &[3], &[]])), []);
        // A loop that can be passed by, and is left to where that leads.
        assert_eq!(open(&boxed(&[&[1, 2], &[1, 2], &[]])), [(0, 1)]);
        assert_eq!(open(&boxed(&[&[1, 9], &[]])), []);
    }

    /// A walk at random: what comes out is what was counted one by one.
    #[test]
    fn every_way_of_a_random_walk_is_known() {
        let mut seed = 1u64;
        let mut dice = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % n
        };
        for blocks in 2..40u64 {
            let mut all: Vec<Box<[u32]>> = (0..blocks - 1)
                .map(|_| {
                    (0..1 + dice(3))
                        .map(|_| 1 + dice(blocks - 1) as u32)
                        .collect()
                })
                .collect();
            all.push(Box::from([]));
            let counted = open(&all);
            let mut counts = vec![0u64; all.len()];
            let mut ways = std::collections::HashMap::new();
            for _ in 0..20 {
                let mut at = 0;
                for step in 0.. {
                    counts[at] += 1;
                    if all[at].is_empty() {
                        break;
                    }
                    // Some walks never end by themselves.
                    let way = dice(all[at].len() as u64) as usize;
                    let to = match step {
                        0..1_000 => all[at][way] as usize,
                        _ => break,
                    };
                    *ways.entry((at as u32, to as u32)).or_insert(0u64) += 1;
                    at = to;
                }
            }
            let seen = |from, to| ways.get(&(from, to)).copied().unwrap_or(0);
            let known: Vec<_> = counted.iter().map(|w| (*w, seen(w.0, w.1))).collect();
            let flows = (0..blocks as u32).all(|b| {
                let out: u64 = (0..blocks as u32).map(|to| seen(b, to)).sum();
                all[b as usize].is_empty() || out == counts[b as usize]
            });
            if !flows {
                // A walk was broken off: nothing has to add up.
                continue;
            }
            for branch in branches(&all, &counts, &known) {
                let expected = branch.to.iter().map(|to| seen(branch.block, *to)).collect();
                assert_eq!(branch.taken, Some(expected), "{all:?}");
            }
        }
    }

    #[test]
    fn counts_that_do_not_add_up_are_survived() {
        // The call in block 1 never came back; a block that nobody counted.
        let found = of(&[&[1, 2], &[2], &[]], &[3, 5, 1]);
        assert_eq!(found, [(0, Some(vec![5, 0]))]);
        assert_eq!(of(&[&[1, 2], &[2], &[]], &[0, 0, 0]), []);
        assert_eq!(of(&[&[1, 9], &[], &[]], &[1, 1, 1]), []);
        assert_eq!(of(&[&[1, 2]], &[1, 1, 1]), []);
    }
}
