// Words counted, a diff of lines, a wildcard matcher, base64, roman numerals, Levenshtein with generic slices.
#![no_std]
#![no_main]
include!("support.rs");
use alloc::collections::BTreeMap;

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', p @ ..], t) => matches(p, t) || (!t.is_empty() && matches(pattern, &t[1..])),
        ([b'?', p @ ..], [_, t @ ..]) => matches(p, t),
        ([a, p @ ..], [b, t @ ..]) if a == b => matches(p, t),
        _ => false,
    }
}
fn base64(bytes: &[u8]) -> String {
    const SET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|c| {
            let n = c.iter().enumerate().fold(0_u32, |n, (i, b)| n | u32::from(*b) << (16 - 8 * i));
            (0..4).map(move |i| if i <= c.len() { SET[(n >> (18 - 6 * i) & 63) as usize] as char } else { '=' }).collect::<Vec<_>>()
        })
        .collect()
}
fn unbase64(s: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for c in s.trim_end_matches('=').as_bytes().chunks(4) {
        let mut n = 0_u32;
        for (i, b) in c.iter().enumerate() {
            let v = match b {
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            n |= u32::from(v) << (18 - 6 * i);
        }
        out.extend(&n.to_be_bytes()[1..c.len()]);
    }
    Some(out)
}
fn distance<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = core::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (corner + usize::from(x != y)).min(above + 1).min(row[j] + 1);
            corner = above;
        }
    }
    row[b.len()]
}
fn diff<'a>(a: &[&'a str], b: &[&'a str]) -> Vec<(char, &'a str)> {
    let mut t = vec![vec![0_u16; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            t[i][j] = if a[i] == b[j] { t[i + 1][j + 1] + 1 } else { t[i + 1][j].max(t[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && t[i + 1][j] >= t[i][j + 1]) {
            out.push(('-', a[i]));
            i += 1;
        } else {
            out.push(('+', b[j]));
            j += 1;
        }
    }
    out
}
fn roman(mut n: u32) -> String {
    const PARTS: [(u32, &str); 13] = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")];
    let mut s = String::new();
    for (v, name) in PARTS {
        while n >= v {
            n -= v;
            s += name;
        }
    }
    s
}
fn run() -> i32 {
    for (p, t) in [("*.rs", "main.rs"), ("a?c*", "abcdef"), ("a?c", "ac"), ("*a*b*c*", "xxaxxbxxcxx"), ("", ""), ("*", ""), ("h*llo", "heello"), ("*ab", "aab")] {
        print!("{} ", matches(p.as_bytes(), t.as_bytes()));
    }
    println!();
    for s in ["", "f", "fo", "foo", "foobar", "any carnal pleas\u{e9}"] {
        let e = base64(s.as_bytes());
        print!("{e} {} ", unbase64(&e).as_deref() == Some(s.as_bytes()));
    }
    println!("{:?}", unbase64("a!b"));
    println!("{} {} {}", distance(b"kitten", b"sitting"), distance(&[1, 2, 3], &[]), distance(&["a", "b"], &["b", "a"]));
    for (sign, line) in diff(&["one", "two", "three", "four"], &["zero", "one", "three", "five", "four"]) {
        print!("{sign}{line} ");
    }
    println!();
    let text = "It was the best of times, it was the worst of times, it was the age of wisdom...";
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for w in text.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()) {
        *counts.entry(w.to_lowercase()).or_default() += 1;
    }
    let mut top: Vec<_> = counts.iter().collect();
    top.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    println!("{:?}", &top[..6]);
    println!("{:?}", [1, 4, 9, 14, 40, 90, 400, 1994, 3999].map(roman));
    0
}
