// Strings: UTF-8, characters, searching, splitting, case, parsing, bytes, building, comparing.
#![no_std]
#![no_main]
include!("support.rs");
use alloc::borrow::Cow;

fn caesar(s: &str, k: u8) -> String {
    s.chars()
        .map(|c| match c {
            'a'..='z' => ((c as u8 - b'a' + k) % 26 + b'a') as char,
            'A'..='Z' => ((c as u8 - b'A' + k) % 26 + b'A') as char,
            _ => c,
        })
        .collect()
}
fn escape(s: &str) -> Cow<'_, str> {
    if s.contains(['<', '&']) {
        Cow::Owned(s.replace('&', "&amp;").replace('<', "&lt;"))
    } else {
        Cow::Borrowed(s)
    }
}
fn rle(s: &str) -> String {
    let mut out = String::new();
    let mut rest = s;
    while let Some(c) = rest.chars().next() {
        let n = rest.chars().take_while(|x| *x == c).count();
        let _ = write!(out, "{n}{c}");
        rest = &rest[n * c.len_utf8()..];
    }
    out
}
fn run() -> i32 {
    let s = "Grüße, 世界! 🎉 end";
    println!("{} {} {:?}", s.len(), s.chars().count(), s.char_indices().filter(|(_, c)| !c.is_ascii()).collect::<Vec<_>>());
    println!("{} {} {}", s.to_uppercase(), s.to_lowercase(), s.chars().rev().collect::<String>());
    println!("{:?} {:?} {:?}", s.find('世'), s.rfind(|c: char| c.is_alphabetic()), s.split_once(", "));
    println!("{:?} {:?}", s.get(0..3), s.get(0..4));
    println!("{:?}", s.bytes().fold(5381_u32, |h, b| h.wrapping_mul(33) ^ u32::from(b)));
    println!("{} {}", caesar("Hello, World", 3), caesar(&caesar("round trip", 7), 19));
    println!("{} {} {}", escape("plain"), escape("a<b & c"), rle("aaabccddddé"));
    let text = "  one, two,,three  \nfour\tfive\r\n\nsix";
    println!("{:?}", text.trim().split(',').collect::<Vec<_>>());
    println!("{:?} {:?}", text.lines().collect::<Vec<_>>(), text.split_whitespace().map(str::len).collect::<Vec<_>>());
    println!("{:?}", "a-b_c-d".splitn(3, ['-', '_']).collect::<Vec<_>>());
    println!("{:?} {:?}", "prefix.name".strip_prefix("prefix."), "name.rs".rsplit_once('.'));
    println!("{:?}", "abcabcabc".match_indices("ca").collect::<Vec<_>>());
    println!("{:?} {:?} {:?}", "42".parse::<u8>(), "-300".parse::<i8>().is_err(), "3.5e-2".parse::<f64>());
    println!("{:?} {:?} {:?}", "true".parse::<bool>(), "x".parse::<char>(), u32::from_str_radix("ff7", 16));
    println!("{:?}", core::str::from_utf8(&[0x68, 0xC3, 0xA9, 0xFF]).map_err(|e| e.valid_up_to()));
    println!("{}", String::from_utf8_lossy(&[b'o', 0xF0, 0x9F, b'k', 0xC3]));
    println!("{:?} {:?}", "é\t\"\u{7f}\\".escape_debug().collect::<String>(), "\u{1F600}".escape_unicode().collect::<String>());
    let mut b = String::with_capacity(8);
    for i in 0..5 {
        b.insert(i, (b'a' + i as u8) as char);
        b.insert_str(0, "é");
    }
    b.truncate(12);
    b.retain(|c| c != 'b');
    println!("{b} {:?} {:?}", b.pop(), b.drain(..2).collect::<String>());
    println!("{:?} {} {}", "apple".cmp("Apple"), "abc" < "abd", "Straße".eq_ignore_ascii_case("STRAßE"));
    println!("{:?}", 'ß'.to_uppercase().collect::<Vec<_>>());
    println!("{:?} {:?} {:?}", char::from_digit(11, 16), 'z'.to_digit(36), char::from_u32(0xD800));
    let mut utf16: Vec<u16> = "a🎉".encode_utf16().collect();
    utf16.push(0xD800);
    println!("{utf16:x?} {:?}", String::from_utf16_lossy(&utf16));
    println!("{}", ["x"; 5].concat() + &"ab".repeat(3));
    0
}
