// Graphs with indices for pointers: breadth first, Dijkstra, components, topological order, bridges, colouring.
#![no_std]
#![no_main]
include!("support.rs");
use alloc::collections::{BTreeMap, BinaryHeap, VecDeque};
use core::cmp::Reverse;

struct Graph {
    edges: Vec<Vec<(usize, u32)>>,
}
impl Graph {
    fn new(n: usize, list: impl IntoIterator<Item = (usize, usize, u32)>) -> Self {
        let mut edges = vec![Vec::new(); n];
        for (a, b, w) in list {
            edges[a].push((b, w));
            edges[b].push((a, w));
        }
        Graph { edges }
    }
    fn levels(&self, from: usize) -> Vec<Option<u32>> {
        let mut level = vec![None; self.edges.len()];
        level[from] = Some(0);
        let mut queue = VecDeque::from([from]);
        while let Some(v) = queue.pop_front() {
            for &(to, _) in &self.edges[v] {
                if level[to].is_none() {
                    level[to] = level[v].map(|l: u32| l + 1);
                    queue.push_back(to);
                }
            }
        }
        level
    }
    fn distances(&self, from: usize) -> Vec<u64> {
        let mut best = vec![u64::MAX; self.edges.len()];
        best[from] = 0;
        let mut heap = BinaryHeap::from([Reverse((0, from))]);
        while let Some(Reverse((d, v))) = heap.pop() {
            if d > best[v] {
                continue;
            }
            for &(to, w) in &self.edges[v] {
                let far = d + u64::from(w);
                if far < best[to] {
                    best[to] = far;
                    heap.push(Reverse((far, to)));
                }
            }
        }
        best
    }
    fn bridges(&self) -> Vec<(usize, usize)> {
        struct Search<'a> {
            g: &'a Graph,
            seen: Vec<u32>,
            low: Vec<u32>,
            time: u32,
            found: Vec<(usize, usize)>,
        }
        fn visit(s: &mut Search, v: usize, parent: Option<usize>) {
            s.time += 1;
            (s.seen[v], s.low[v]) = (s.time, s.time);
            for &(to, _) in &s.g.edges[v] {
                if Some(to) == parent {
                    continue;
                }
                if s.seen[to] > 0 {
                    s.low[v] = s.low[v].min(s.seen[to]);
                } else {
                    visit(s, to, Some(v));
                    s.low[v] = s.low[v].min(s.low[to]);
                    if s.low[to] > s.seen[v] {
                        s.found.push((v.min(to), v.max(to)));
                    }
                }
            }
        }
        let n = self.edges.len();
        let mut s = Search { g: self, seen: vec![0; n], low: vec![0; n], time: 0, found: Vec::new() };
        for v in 0..n {
            if s.seen[v] == 0 {
                visit(&mut s, v, None);
            }
        }
        s.found.sort();
        s.found
    }
    fn colours(&self) -> usize {
        let mut colour: Vec<Option<usize>> = vec![None; self.edges.len()];
        let mut order: Vec<usize> = (0..self.edges.len()).collect();
        order.sort_by_key(|v| Reverse(self.edges[*v].len()));
        for v in order {
            let used: Vec<usize> = self.edges[v].iter().filter_map(|(to, _)| colour[*to]).collect();
            colour[v] = (0..).find(|c| !used.contains(c));
        }
        colour.iter().flatten().max().map_or(0, |c| c + 1)
    }
}
fn components(n: usize, pairs: &[(usize, usize)]) -> BTreeMap<usize, usize> {
    let mut parent: Vec<usize> = (0..n).collect();
    fn find(parent: &mut [usize], mut x: usize) -> usize {
        while parent[x] != x {
            parent[x] = parent[parent[x]];
            x = parent[x];
        }
        x
    }
    for &(a, b) in pairs {
        let (a, b) = (find(&mut parent, a), find(&mut parent, b));
        parent[a.max(b)] = a.min(b);
    }
    (0..n).fold(BTreeMap::new(), |mut sizes, x| {
        *sizes.entry(find(&mut parent, x)).or_insert(0) += 1;
        sizes
    })
}
fn order(names: &[&str], before: &[(&str, &str)]) -> Option<String> {
    let mut waits: BTreeMap<&str, usize> = names.iter().map(|n| (*n, 0)).collect();
    before.iter().for_each(|(_, b)| *waits.get_mut(b).unwrap() += 1);
    let mut out = Vec::new();
    while let Some(next) = waits.iter().find(|(_, n)| **n == 0).map(|(name, _)| *name) {
        waits.remove(next);
        before.iter().filter(|(a, _)| *a == next).for_each(|(_, b)| *waits.get_mut(b).unwrap() -= 1);
        out.push(next);
    }
    waits.is_empty().then(|| out.join(" "))
}
fn run() -> i32 {
    let mut rng = Rng(5);
    let list: Vec<(usize, usize, u32)> = (1..40).map(|i| (i, rng.below(i as u64) as usize, 1 + rng.below(9) as u32)).chain((0..12).map(|i| (i * 3, i * 7 % 30, 4))).filter(|(a, b, _)| a != b).collect();
    let g = Graph::new(42, list.clone());
    println!("{:?}", g.levels(0).iter().flatten().fold([0; 8], |mut c, l| { c[(*l).min(7) as usize] += 1; c }));
    let d = g.distances(3);
    println!("{} {:?}", d.iter().filter(|x| **x < u64::MAX).sum::<u64>(), &d[..12]);
    println!("{:?} {}", g.bridges(), g.colours());
    println!("{:?}", components(42, &list.iter().filter(|e| e.2 > 4).map(|e| (e.0, e.1)).collect::<Vec<_>>()));
    let names = ["roof", "walls", "floor", "ground", "paint"];
    println!("{:?}", order(&names, &[("ground", "floor"), ("floor", "walls"), ("walls", "roof"), ("walls", "paint")]));
    println!("{:?}", order(&names, &[("roof", "walls"), ("walls", "roof")]));
    0
}
