// A panic in the middle: an index out of bounds deep in calls ends the program with 101 after what was printed.
#![no_std]
#![no_main]
include!("support.rs");

fn pick(v: &[u32], i: usize) -> u32 {
    v[i]
}
fn walk(v: &[u32], mut at: usize) -> u32 {
    let mut sum = 0;
    loop {
        let step = pick(v, at);
        sum += step;
        println!("at {at}: {step}, sum {sum}");
        at += step as usize;
    }
}
fn run() -> i32 {
    let v: Vec<u32> = (0..40).map(|i| i % 5 + 1).collect();
    println!("{}", v.iter().sum::<u32>());
    walk(&v, 3) as i32
}
