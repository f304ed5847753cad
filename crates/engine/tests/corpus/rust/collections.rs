// Collections of alloc: BTreeMap, BTreeSet, VecDeque, BinaryHeap, LinkedList, Vec operations.
#![no_std]
#![no_main]
include!("support.rs");
use alloc::collections::{btree_map::Entry, BTreeMap, BTreeSet, BinaryHeap, LinkedList, VecDeque};
use core::cmp::Reverse;

fn run() -> i32 {
    let mut rng = Rng(42);
    let mut map: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for i in 0..500 {
        map.entry(rng.below(97) as u32).or_default().push(i);
    }
    println!("{} {:?} {:?}", map.len(), map.first_key_value().map(|(k, v)| (k, v.len())), map.range(50..60).map(|(k, v)| k + v[0]).collect::<Vec<_>>());
    map.retain(|k, v| k % 3 != 0 && v.len() > 4);
    for k in 0..40 {
        if let Entry::Occupied(e) = map.entry(k) {
            if k % 2 == 0 {
                e.remove();
            }
        }
    }
    println!("{} {}", map.len(), map.iter().fold(0_u64, |h, (k, v)| h.wrapping_mul(31) + u64::from(*k) + v.iter().map(|x| u64::from(*x)).sum::<u64>()));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for w in "the cat and the dog and the bird".split_whitespace() {
        *counts.entry(w.to_owned()).or_insert(0) += 1;
    }
    println!("{counts:?}");
    let a: BTreeSet<u64> = (0..60).map(|_| rng.below(80)).collect();
    let b: BTreeSet<u64> = (0..60).map(|_| rng.below(80)).collect();
    println!("{} {} {} {}", a.intersection(&b).count(), a.union(&b).count(), a.difference(&b).sum::<u64>(), a.symmetric_difference(&b).count());
    let mut q = VecDeque::with_capacity(4);
    let mut popped = 0;
    for i in 0..200_u64 {
        match rng.below(5) {
            0 => popped += q.pop_front().unwrap_or(0),
            1 => popped ^= q.pop_back().unwrap_or(1) << 3,
            2 => q.push_front(i * 2),
            _ => q.push_back(i),
        }
        if i % 50 == 49 {
            q.rotate_left(q.len() / 3);
            q.make_contiguous().reverse();
        }
    }
    println!("{popped} {} {:?} {:?}", q.len(), q.iter().take(4).collect::<Vec<_>>(), q.back());
    let mut heap = BinaryHeap::new();
    for i in 0..100 {
        heap.push(Reverse((rng.below(50), i)));
        if i % 3 == 2 {
            heap.pop();
        }
    }
    let mut order = Vec::new();
    while let Some(Reverse((k, i))) = heap.pop() {
        order.push(k * 1000 + i);
    }
    println!("{} {:?} {}", order.len(), &order[..3], order.windows(2).all(|w| w[0] <= w[1]));
    let mut list: LinkedList<u32> = (0..10).collect();
    let mut tail = list.split_off(6);
    tail.push_front(99);
    list.append(&mut tail);
    println!("{list:?} {}", tail.is_empty());
    let mut v: Vec<i64> = (0..30).map(|i| i * 17 % 31).collect();
    v.insert(3, -1);
    v.remove(10);
    v.swap_remove(0);
    v.dedup_by_key(|x| *x / 3);
    let drained: Vec<i64> = v.drain(2..7).collect();
    v.extend_from_slice(&[7, 7, 7, 8]);
    v.dedup();
    v.truncate(20);
    v.splice(1..3, [100, 200, 300]);
    println!("{drained:?} {v:?}");
    v.sort_by_key(|x| Reverse(*x % 10));
    let at = v.iter().rposition(|x| x % 10 == 0);
    println!("{v:?} {at:?} {:?}", v.split_last());
    let grid: Vec<Vec<u8>> = (0..4).map(|r| (0..4).map(|c| r * c).collect()).collect();
    println!("{:?} {:?}", grid.concat(), [[1, 2], [3, 4]].join(&0));
    0
}
