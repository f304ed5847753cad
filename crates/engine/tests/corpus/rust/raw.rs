// Raw pointers, unions, transmutes, MaybeUninit, repr(C) structs through C calls, manual vtables, packed fields.
#![no_std]
#![no_main]
include!("support.rs");
use core::ffi::{c_char, c_int, c_void, CStr};
use core::mem::{align_of, offset_of, size_of, transmute, ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
struct Div {
    quot: c_int,
    rem: c_int,
}
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct LDiv {
    quot: i64,
    rem: i64,
}
extern "C" {
    fn div(a: c_int, b: c_int) -> Div;
    fn ldiv(a: i64, b: i64) -> LDiv;
    fn strlen(s: *const c_char) -> usize;
    fn memchr(p: *const c_void, c: c_int, n: usize) -> *mut c_void;
    fn snprintf(p: *mut c_char, n: usize, format: *const c_char, ...) -> c_int;
    fn bsearch(key: *const c_void, base: *const c_void, n: usize, size: usize, f: unsafe extern "C" fn(*const c_void, *const c_void) -> c_int) -> *mut c_void;
}
#[repr(C)]
union Bits {
    f: f32,
    u: u32,
    b: [u8; 4],
}
#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Packed {
    a: u8,
    b: u32,
    c: u64,
}
#[repr(C, align(32))]
struct Aligned(u8);
#[repr(C)]
struct Header {
    kind: u8,
    length: u16,
    next: Option<NonNull<Header>>,
    value: f64,
}
struct Vtable {
    area: unsafe fn(*const ()) -> f64,
    grow: unsafe fn(*mut (), f64),
}
struct Object {
    data: *mut (),
    table: &'static Vtable,
}
unsafe fn area(p: *const ()) -> f64 {
    let v = *p.cast::<[f64; 2]>();
    v[0] * v[1]
}
unsafe fn grow(p: *mut (), k: f64) {
    (*p.cast::<[f64; 2]>()).iter_mut().for_each(|x| *x += k);
}
static RECT: Vtable = Vtable { area, grow };
unsafe extern "C" fn by_key(a: *const c_void, b: *const c_void) -> c_int {
    let (a, b) = (*a.cast::<u16>(), *b.cast::<u16>());
    c_int::from(a) - c_int::from(b)
}
extern "C" fn struct_by_value(a: Div, b: LDiv, c: [f32; 3]) -> LDiv {
    LDiv { quot: b.quot * i64::from(a.quot), rem: b.rem + i64::from(a.rem) + c[1] as i64 }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Level {
    Low = 3,
    Mid = 7,
    High = 200,
}
fn run() -> i32 {
    unsafe {
        println!("{:?} {:?} {}", div(-17, 5), ldiv(1 << 40, 1000), strlen(c"seven c".as_ptr()));
        let f: extern "C" fn(Div, LDiv, [f32; 3]) -> LDiv = core::hint::black_box(struct_by_value);
        println!("{:?}", f(Div { quot: 3, rem: 4 }, LDiv { quot: 5, rem: 6 }, [1.0, 70.0, 2.0]));
        let mut u = Bits { f: -1.5 };
        print!("{:08x} ", u.u);
        u.b[3] ^= 0x80;
        println!("{} {:?}", u.f, u.b);
        let p = Packed { a: 1, b: 0xDEAD_BEEF, c: u64::MAX / 3 };
        let q = &raw const p.b;
        println!("{} {} {:x} {} {}", size_of::<Packed>(), { p.a }, q.read_unaligned(), { p.c }, offset_of!(Packed, c));
        println!("{} {} {}", align_of::<Aligned>(), size_of::<Aligned>(), (&raw const *Box::new(Aligned(1))) as usize % 32);
        println!("{} {} {}", size_of::<Header>(), offset_of!(Header, next), size_of::<Option<NonNull<u8>>>());
        let mut nodes: Vec<Header> = (0..5).map(|i| Header { kind: i, length: u16::from(i) * 300, next: None, value: f64::from(i) / 4.0 }).collect();
        let base = nodes.as_mut_ptr();
        for i in 0..4 {
            (*base.add(i)).next = NonNull::new(base.add((i * 3 + 1) % 5));
        }
        let (mut at, mut sum) = (NonNull::new(base), 0.0);
        for _ in 0..9 {
            let Some(n) = at else { break };
            sum = sum * 2.0 + n.as_ref().value + f64::from(n.as_ref().kind) + f64::from(n.as_ref().length);
            at = n.as_ref().next;
        }
        println!("{sum}");
        let mut v = [2.0, 3.0];
        let o = Object { data: (&raw mut v).cast(), table: &RECT };
        (o.table.grow)(o.data, 1.5);
        println!("{} {v:?}", (o.table.area)(o.data));
        let keys: Vec<u16> = (0..50).map(|i| i * 3).collect();
        for key in [42_u16, 43, 147] {
            let hit = bsearch((&raw const key).cast(), keys.as_ptr().cast(), keys.len(), 2, by_key).cast::<u16>();
            print!("{:?} ", (!hit.is_null()).then(|| hit.offset_from(keys.as_ptr())));
        }
        let mut slots: [MaybeUninit<String>; 4] = [const { MaybeUninit::uninit() }; 4];
        for (i, s) in slots.iter_mut().enumerate() {
            s.write(format!("s{i}"));
        }
        let slots: [String; 4] = transmute(slots);
        println!("{slots:?}");
        let mut text = [0_u8; 32];
        snprintf(text.as_mut_ptr().cast(), 32, c"%s/%c/%5.1f/%ld".as_ptr(), c"raw".as_ptr(), c_int::from(b'x'), 9.96_f64, -1_i64);
        let found = memchr(text.as_ptr().cast(), c_int::from(b'x'), 32) as usize - text.as_ptr() as usize;
        println!("{:?} {found}", CStr::from_ptr(text.as_ptr().cast()));
        let (mut a, mut b) = ([1, 2, 3], [7, 8, 9]);
        ptr::swap(&mut a, &mut b);
        ptr::copy(a.as_ptr(), a.as_mut_ptr().add(1), 2);
        println!("{a:?} {b:?} {:?} {:?}", transmute::<u8, Level>(7), Level::High as u8 as i8);
        let kept = ManuallyDrop::new(vec![1_u64, 2, 3]);
        let again = Vec::from_raw_parts(kept.as_ptr().cast_mut(), 2, kept.capacity());
        println!("{again:?} {:?}", transmute::<[u8; 8], u64>(*b"12345678"));
    }
    i32::from(Level::Low as u8)
}
