// Slices: sorts of all kinds, searches, rotations, splits, chunks, copies, comparison, concatenation, patterns.
#![no_std]
#![no_main]
include!("support.rs");

fn sum(v: &[i64]) -> i64 {
    match v {
        [] => 0,
        [x] => *x,
        [first, middle @ .., last] => first + last + sum(middle),
    }
}
fn quick<T: Ord + Clone>(v: &[T]) -> Vec<T> {
    let Some((pivot, rest)) = v.split_first() else { return Vec::new() };
    let (low, high): (Vec<T>, Vec<T>) = rest.iter().cloned().partition(|x| x < pivot);
    [quick(&low), vec![pivot.clone()], quick(&high)].concat()
}
fn hash(v: &[u64]) -> u64 {
    v.iter().fold(7, |h: u64, x| h.wrapping_mul(0x100_0000_01b3) ^ x)
}
fn run() -> i32 {
    let mut rng = Rng(99);
    let original: Vec<u64> = (0..300).map(|_| rng.below(1000)).collect();
    let (mut a, mut b, mut c) = (original.clone(), original.clone(), original.clone());
    a.sort();
    b.sort_unstable_by(|x, y| y.cmp(x));
    c.sort_by_key(|x| (x % 10, *x / 10));
    println!("{:016x} {:016x} {:016x} {}", hash(&a), hash(&b), hash(&c), quick(&original) == a);
    println!("{:?} {:?} {}", a.binary_search(&a[100]).is_ok(), a.binary_search(&1001), a.partition_point(|x| *x < 500));
    let mut small = [5, 3, 9, 1, 7, 2, 8];
    let (_, median, _) = small.select_nth_unstable(3);
    println!("{median}");
    small.sort();
    small.rotate_right(2);
    println!("{small:?} {:?} {:?}", small.first(), small.iter().rev().collect::<Vec<_>>());
    small[1..6].reverse();
    small.swap(0, 6);
    println!("{small:?} {} {}", small.contains(&9), small.starts_with(&[7]));
    let (left, right) = small.split_at_mut(3);
    left.copy_from_slice(&right[1..]);
    right[0] = left.iter().sum();
    println!("{small:?}");
    let mut big = [0_u16; 64];
    for (i, chunk) in big.chunks_mut(9).enumerate() {
        chunk.fill(i as u16);
        chunk[0] += 100;
    }
    big.copy_within(3..30, 20);
    println!("{:?} {:?}", &big[15..35], big.chunks_exact(10).remainder());
    println!("{:?}", big.split(|x| *x >= 100).map(<[u16]>::len).collect::<Vec<_>>());
    println!("{:?} {:?}", big.iter().max(), big.rchunks(20).map(|c| c[0]).collect::<Vec<_>>());
    println!("{} {}", sum(&[1, 2, 3, 4, 5, 6, 7]), sum(&[]));
    println!("{:?} {:?}", [1, 2, 3][..].cmp(&[1, 2][..]), [1.0, f64::NAN].partial_cmp(&[1.0, 2.0]));
    let names = ["delta", "alpha", "charlie", "bravo"];
    let mut order: Vec<usize> = (0..4).collect();
    order.sort_by_key(|&i| names[i]);
    println!("{order:?} {}", names.join("/"));
    let matrix = [[1, 2, 3], [4, 5, 6]];
    let transposed: Vec<[i32; 2]> = (0..3).map(|c| [matrix[0][c], matrix[1][c]]).collect();
    println!("{transposed:?} {:?}", matrix.as_flattened());
    let bytes = unsafe { core::slice::from_raw_parts(a.as_ptr().cast::<u8>(), 32) };
    println!("{:?} {:?}", &bytes[..10], a[..4].iter().flat_map(|x| x.to_be_bytes()).filter(|b| *b != 0).count());
    let mut words: Vec<String> = "zeta eta theta iota kappa lambda mu nu xi omicron pi rho".split(' ').map(String::from).collect();
    words.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| b.cmp(a)));
    println!("{words:?}");
    0
}
