// Loops with labels, state machines, coroutines by hand, generators as iterators, Duff-like unrolling, bit boards.
#![no_std]
#![no_main]
include!("support.rs");

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Idle,
    Running { left: u8, speed: f32 },
    Waiting(u16),
    Done(bool),
}
impl State {
    fn step(self, event: u32) -> Self {
        match (self, event % 4) {
            (State::Idle, 0) => State::Running { left: (event % 13) as u8, speed: event as f32 / 8.0 },
            (State::Idle, n) => State::Waiting(n as u16 * 10),
            (State::Running { left: 0, speed }, _) => State::Done(speed > 5.0),
            (State::Running { left, speed }, 1) => State::Running { left: left - 1, speed: speed * 1.5 },
            (State::Running { left, speed }, _) => State::Running { left: left / 2, speed: speed - 1.0 },
            (State::Waiting(0), _) => State::Idle,
            (State::Waiting(n), 3) => State::Waiting(n / 2),
            (State::Waiting(n), e) => State::Waiting(n - (e as u16 + 1).min(n)),
            (State::Done(_), 2) => State::Idle,
            (done, _) => done,
        }
    }
}
fn search(grid: &[[u8; 8]; 8]) -> (u32, Option<(usize, usize, usize)>) {
    let mut looked = 0;
    let found = 'all: loop {
        'rows: for (r, row) in grid.iter().enumerate() {
            for (c, cell) in row.iter().enumerate() {
                looked += 1;
                if *cell == 0 {
                    continue 'rows;
                }
                let mut k = c;
                while k < 8 && row[k] == *cell {
                    k += 1;
                    if k - c == 4 {
                        break 'all Some((r, c, looked as usize));
                    }
                }
                if looked > 200 {
                    break 'all None;
                }
            }
        }
        break None;
    };
    (looked, found)
}
struct Permutations {
    v: Vec<u8>,
    first: bool,
}
impl Iterator for Permutations {
    type Item = Vec<u8>;
    fn next(&mut self) -> Option<Vec<u8>> {
        if core::mem::replace(&mut self.first, false) {
            return Some(self.v.clone());
        }
        let i = self.v.windows(2).rposition(|w| w[0] < w[1])?;
        let j = self.v.iter().rposition(|x| *x > self.v[i])?;
        self.v.swap(i, j);
        self.v[i + 1..].reverse();
        Some(self.v.clone())
    }
}
fn queens(n: u32, row: u32, columns: u32, left: u32, right: u32) -> u32 {
    if row == n {
        return 1;
    }
    let mut free = !(columns | left | right) & ((1 << n) - 1);
    let mut count = 0;
    while free != 0 {
        let bit = free & free.wrapping_neg();
        free ^= bit;
        count += queens(n, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    count
}
fn life(mut rows: [u32; 16], turns: usize) -> (u32, [u32; 16]) {
    for _ in 0..turns {
        let old = rows;
        for r in 0..16 {
            let mut next = 0;
            for c in 0..32 {
                let mut n = 0;
                for dr in [15, 0, 1] {
                    let row = if c == 0 { old[(r + dr) % 16].rotate_left(1) & 7 } else { old[(r + dr) % 16].rotate_right(c - 1) & 7 };
                    n += row.count_ones();
                }
                let alive = old[r] >> c & 1;
                next |= u32::from(n == 3 || (n == 4 && alive == 1)) << c;
            }
            rows[r] = next;
        }
    }
    (rows.iter().map(|r| r.count_ones()).sum(), rows)
}
fn run() -> i32 {
    let (mut s, mut rng, mut log) = (State::Idle, Rng(77), Vec::new());
    for i in 0..200 {
        s = s.step(rng.below(100) as u32);
        if i % 25 == 0 {
            log.push(s);
        }
    }
    println!("{log:?}");
    let mut grid = [[0_u8; 8]; 8];
    for i in 0..64 {
        grid[i / 8][i % 8] = rng.below(3) as u8;
    }
    print!("{:?} ", search(&grid));
    grid[5][1..6].fill(9);
    println!("{:?}", search(&grid));
    let p: Vec<Vec<u8>> = Permutations { v: vec![1, 2, 2, 3, 4], first: true }.collect();
    println!("{} {:?} {:?}", p.len(), p[29], p.last());
    println!("{:?}", [4, 5, 6, 7, 8].map(|n| queens(n, 0, 0, 0, 0)));
    let mut start = [0_u32; 16];
    (start[1], start[2], start[3], start[9]) = (2 << 4, 4 << 4, 7 << 4, 0b111 << 20);
    for turns in [0, 1, 4, 20] {
        let (alive, rows) = life(start, turns);
        println!("{turns}: {alive} {:?}", rows.iter().enumerate().filter(|(_, r)| **r != 0).collect::<Vec<_>>());
    }
    0
}
