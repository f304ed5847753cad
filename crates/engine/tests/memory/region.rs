//! The region: what is where, what is protected how, what is free.

use super::support::{call, names, object, region, unit};
use engine::memory::{MemoryError, Region, RegionConfig, install, install_at, link};
use std::sync::atomic::Ordering;

const CONFIG: RegionConfig = RegionConfig {
    slots: 3,
    cells: 5,
    variable_bytes: 1000,
    variable_align: 256,
    code_limit: 1 << 20,
};

/// Protections of the mappings in a range: (start, end, `rwxp`).
fn mappings(range: std::ops::Range<usize>) -> Vec<(usize, usize, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let (start, end) = words.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?.max(range.start);
        let end = usize::from_str_radix(end, 16).ok()?.min(range.end);
        (start < end).then(|| (start, end, words.next().unwrap().to_owned()))
    };
    maps.lines().filter_map(line).collect()
}

#[test]
fn everything_is_near_aligned_and_zeroed() {
    for align in [1, 64, 4096, 1 << 21] {
        let region = Region::new(RegionConfig {
            variable_align: align,
            ..CONFIG
        })
        .unwrap();
        let (variables, bytes) = region.variables();
        assert_eq!((variables % align, bytes), (0, 1000));
        assert!(region.cell_address(4) + 16 <= variables);
        assert!(region.slot_address(2) + 8 <= region.cell_address(0));
        assert!(variables + bytes <= region.code_range().start);
        assert!(region.code_range().end - region.slot_address(0) < 1 << 31);
        for address in [region.slot_address(0), variables, region.code_range().end] {
            assert!(region.reaches(address));
        }
        assert!(!region.reaches(region.code_range().start.wrapping_add(1 << 31)));
        // SAFETY: the variables are mapped and nobody changes them.
        let contents = unsafe { std::slice::from_raw_parts(variables as *const u8, bytes) };
        assert!(contents.iter().all(|&b| b == 0));
        region.slot(2).store(7, Ordering::Release);
        region.cell(4).countdown.fetch_sub(1, Ordering::Relaxed);
        region.cell(4).misses.fetch_add(2, Ordering::Relaxed);
        // SAFETY: the addresses are those of the slot and the cell.
        unsafe {
            assert_eq!(*(region.slot_address(2) as *const usize), 7);
            assert_eq!(*(region.cell_address(4) as *const i64), -1);
            assert_eq!(*((region.cell_address(4) + 8) as *const u64), 2);
        }
    }
}

#[test]
fn no_page_is_writable_and_executable() {
    let ir = "
@count = internal global i64 0
@text = private constant [5000 x i8] zeroinitializer
define i64 @f(i64 %x) {
  %p = getelementptr [5000 x i8], ptr @text, i64 0, i64 %x
  %c = load volatile i8, ptr %p
  store volatile i64 %x, ptr @count
  ret i64 %x
}";
    let region = region(1 << 20);
    let all = region.slot_address(0)..region.code_range().end;
    let unit = unit(&region, ir, 1, &[]);
    let range = unit.range();
    let split = range.end - unit.writable_bytes();
    assert_eq!(call(&unit, "f", 3), 3);
    let found = mappings(range.clone());
    assert_eq!(
        found,
        [
            (range.start, split, "r-xp".into()),
            (split, range.end, "rw-p".into())
        ]
    );
    let w_and_x = |m: &(usize, usize, String)| m.2.contains('w') && m.2.contains('x');
    assert!(!mappings(all.clone()).iter().any(w_and_x));
    drop(unit);
    assert!(mappings(range).iter().all(|m| m.2 == "---p"));
    assert!(!mappings(all).iter().any(|m| m.2.contains('x')));
}

#[test]
fn pages_are_reused() {
    let region = region(1 << 20);
    // mov %rdi, %rax; ret
    let code = [0x48, 0x89, 0xf8, 0xc3];
    let units: Vec<_> = (0..5)
        .map(|pages| {
            install_at(&region, (1 + pages) * 4096, |_, b| {
                b[..4].copy_from_slice(&code)
            })
        })
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(region.code_used(), 15 * 4096);
    assert!(
        units
            .windows(2)
            .all(|w| w[0].range().end == w[1].range().start)
    );
    let starts: Vec<_> = units.iter().map(|u| u.range().start).collect();
    let mut units: Vec<_> = units.into_iter().map(Some).collect();
    // The 3 and the 4 pages in the middle become one hole of 7.
    units[2] = None;
    units[3] = None;
    let again = install_at(&region, 7 * 4096, |address, bytes| {
        assert_eq!(address, starts[2]);
        assert!(bytes.iter().all(|&b| b == 0), "an old unit shows through");
        bytes[7 * 4096 - 4..].copy_from_slice(&code);
    })
    .unwrap();
    assert_eq!(again.range().start, starts[2]);
    assert_eq!(super::support::call_at(again.range().end - 4, 77), 77);
    drop((again, units));
    assert_eq!(region.code_used(), 0);
    assert_eq!(install(&region, &code).unwrap().range().start, starts[0]);
}

#[test]
fn the_limit_is_told_and_nothing_is_lost() {
    let region = region(10 * 4096);
    assert_eq!(region.code_limit(), 10 * 4096);
    let object = object("define i64 @f(i64 %x) { ret i64 %x }", 2);
    let units: Vec<_> = (0..10)
        .map(|_| link(&region, &object, &names(&[])).unwrap())
        .collect();
    let error = link(&region, &object, &names(&[])).unwrap_err();
    assert_eq!(
        error,
        MemoryError::Full {
            needed: 4096,
            used: 40_960,
            limit: 40_960
        }
    );
    let text = error.to_string();
    assert!(
        text.contains("40960 of 40960") && text.contains("evict"),
        "{text}"
    );
    assert!(units.iter().all(|u| call(u, "f", 4) == 4));
    drop(units);
    assert_eq!(region.code_used(), 0);
    assert!(install(&region, &[0xc3; 40_960]).is_ok());
    assert!(install(&region, &[0xc3; 40_961]).is_err());
}

#[test]
fn holes_between_units_do_not_fill_the_region() {
    // Every other page is given back: half the limit is free, but no two pages of it are neighbours.
    let region = region(64 * 4096);
    let units: Vec<_> = (0..64)
        .map(|_| install(&region, &[0xc3]).unwrap())
        .collect();
    let kept: Vec<_> = units.into_iter().step_by(2).collect();
    assert_eq!(region.code_used(), 32 * 4096);
    assert!(install(&region, &[0xc3; 32 * 4096]).is_ok());
    drop(kept);
}

#[test]
fn too_much_is_refused() {
    let refused = |config| match Region::new(config) {
        Err(MemoryError::TooLarge { needed, most }) => assert!(needed > most),
        other => panic!("{other:?}"),
    };
    refused(RegionConfig {
        code_limit: 1 << 31,
        ..CONFIG
    });
    refused(RegionConfig {
        variable_bytes: 1 << 31,
        ..CONFIG
    });
    refused(RegionConfig {
        slots: usize::MAX,
        ..CONFIG
    });
    refused(RegionConfig {
        cells: usize::MAX / 2,
        ..CONFIG
    });
    // As large as it gets.
    let region = Region::new(RegionConfig {
        code_limit: 1 << 30,
        variable_bytes: 1 << 29,
        ..CONFIG
    })
    .unwrap();
    assert!(region.code_range().end - region.slot_address(0) < 1 << 31);
    assert!(region.code_range().len() >= region.code_limit());
}

#[test]
fn a_unit_keeps_its_region() {
    let unit = unit(
        &region(1 << 16),
        "define i64 @f(i64 %x) { ret i64 5 }",
        1,
        &[],
    );
    assert_eq!(call(&unit, "f", 0), 5);
    assert_eq!(unit.region().code_used(), unit.bytes());
    assert!(unit.object_bytes() > 64);
}
