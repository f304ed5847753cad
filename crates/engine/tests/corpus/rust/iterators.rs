// Iterators: adaptors in chains, own iterators, rev, zip, scan, peekable, step_by, windows, double-ended sums.
#![no_std]
#![no_main]
include!("support.rs");

struct Fib(u64, u64);
impl Iterator for Fib {
    type Item = u64;
    fn next(&mut self) -> Option<u64> {
        (self.0, self.1) = (self.1, self.0.checked_add(self.1)?);
        Some(self.0)
    }
}
struct Countdown(u32);
impl Iterator for Countdown {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        self.0 = self.0.checked_sub(1)?;
        Some(self.0)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0 as usize, Some(self.0 as usize))
    }
}
fn primes() -> impl Iterator<Item = u32> {
    (2..).filter(|n| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0))
}
fn tokens(s: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut chars = s.chars().peekable();
    while let Some(c) = chars.next() {
        let mut token = String::from(c);
        if c.is_ascii_digit() {
            while let Some(d) = chars.next_if(char::is_ascii_digit) {
                token.push(d);
            }
        } else if c == ' ' {
            continue;
        }
        out.push(token);
    }
    out
}
fn run() -> i32 {
    println!("{:?}", Fib(0, 1).skip(5).step_by(7).take(6).collect::<Vec<_>>());
    println!("{} {}", Fib(0, 1).count(), Fib(0, 1).filter(|x| x % 2 == 0).take(20).sum::<u64>());
    println!("{:?}", primes().take(12).zip(Countdown(12)).map(|(p, c)| p * c).collect::<Vec<_>>());
    let v: Vec<i32> = (0..50).map(|i| (i * i * 7) % 53 - 20).collect();
    println!("{:?} {:?} {:?}", v.iter().min(), v.iter().max_by_key(|x| x.abs()), v.iter().position(|&x| x == 11));
    println!("{:?}", v.iter().scan(0, |s, x| { *s += x; Some(*s) }).filter(|x| x % 3 == 0).collect::<Vec<i32>>());
    println!("{:?}", v.chunks(7).map(|c| c.iter().sum::<i32>()).rev().collect::<Vec<_>>());
    println!("{}", v.windows(3).filter(|w| w[1] > w[0] && w[1] > w[2]).count());
    let (even, odd): (Vec<i32>, Vec<i32>) = v.iter().partition(|x| **x % 2 == 0);
    println!("{} {} {:?}", even.len(), odd.len(), even.iter().rev().skip_while(|x| **x > 0).next());
    println!("{:?}", tokens("12 + (345*6)-x7"));
    let words = ["apple", "fig", "kiwi", "banana"];
    println!("{}", words.iter().flat_map(|w| w.chars().rev()).collect::<String>());
    println!("{:?}", words.iter().map(|w| w.len()).fold((usize::MAX, 0), |(lo, hi), n| (lo.min(n), hi.max(n))));
    println!("{:?}", words.iter().enumerate().max_by(|a, b| a.1.cmp(b.1)));
    let nested = vec![vec![1, 2], vec![], vec![3, 4, 5]];
    println!("{} {:?}", nested.iter().flatten().product::<i32>(), nested.iter().map(Vec::len).collect::<Vec<_>>());
    let mut both = (1..=10).chain(20..=25);
    let mut ends = Vec::new();
    while let (Some(a), Some(b)) = (both.next(), both.next_back()) {
        ends.push(a * 100 + b);
    }
    println!("{ends:?}");
    println!("{:?} {:?}", "1,2,x,4".split(',').map(str::parse::<i32>).collect::<Result<Vec<_>, _>>().is_err(), "5 6 7".split(' ').map(str::parse::<u8>).collect::<Result<Vec<_>, _>>());
    println!("{:?}", (1..=4).flat_map(|a| (a..=4).map(move |b| (a, b))).filter(|(a, b)| (a + b) % 3 == 0).last());
    println!("{}", core::iter::successors(Some(27_u64), |n| (*n != 1).then(|| if n % 2 == 0 { n / 2 } else { 3 * n + 1 })).count());
    println!("{} {}", (0..1000).any(|x| x * x == 361), (1..20).try_fold(1_i32, |a, x| a.checked_mul(x)).is_none());
    println!("{:?}", core::iter::repeat("ab").take(3).cycle().take(5).collect::<String>());
    i32::from(v.iter().copied().eq(v.clone()))
}
