//! The loop: executes decoded instructions until the function returns.
//!
//! Calls between interpreted functions push a frame and stay in this loop; calls of machine code leave it through a
//! thunk (see `call.rs`), and machine code that calls an interpreted function enters a new loop on the same stack.
#![allow(unsafe_code)]

use super::code::{Code, LaneFn, SwitchTable};
use super::entry::FuncEntry;
use super::lanes::{self, FLOAT_PREDICATES};
use super::memory::{self, Stack};
use super::op::{ARGS, Ins, Op};
use super::{call, vector, wide};
use std::ptr::{self, with_exposed_provenance, with_exposed_provenance_mut};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// Words saved below a frame's constants: frame pointer, instruction, code and stack pointer of the caller.
const SAVED: usize = 4;

/// Where the loop goes instead of a loop header when a step of backward jumps is full.
static HEAT: Ins = Ins {
    op: Op::Heat,
    a: 0,
    b: 0,
    c: 0,
    imm: 0,
};

/// Address of guest memory.
fn at<T>(address: u64) -> *mut T {
    with_exposed_provenance_mut(address as usize)
}

/// Words between the saved ones and the frame pointer.
fn const_words(code: &Code) -> usize {
    code.consts.len().next_multiple_of(2)
}

/// Executes `code`.
///
/// # Safety
/// - `code` was made by the decoder, which guarantees: slots lie inside the frame, jumps inside the code, table
///   indices inside the tables, the last instruction of every path is a return or a trap.
/// - `args` points to `arg_words` readable words that are the parameters' slots; `ret` to room for the result.
/// - What the guest does with memory and function pointers is the guest's affair: it is trusted as machine code is.
pub(crate) unsafe fn run(
    code: &Code,
    args: *const u64,
    arg_words: usize,
    ret: *mut u64,
    stack: &Stack,
) {
    // SAFETY: of the whole body: the decoder's guarantees above; frames are checked against the stack's limit as they
    // are made; everything else is guest memory.
    unsafe {
        let entry_top = stack.top.get();
        // What another program left on this thread, or nobody yet, counts in steps of its own.
        let mut heat: u32 = stack.heat.get().min(code.heat_step);
        let mut code: *const Code = code;
        let mut sp: *mut u8 = entry_top;
        let mut fp: *mut u64;
        let mut ip: *const Ins;
        // The loop header that is next, while `ip` is at `HEAT`.
        let mut header: *const Ins = ptr::null();

        /// Makes the frame of `$code` at `sp`; `$saved` are the words to keep. Leaves arguments to the caller.
        macro_rules! push_frame {
            ($code:expr, $old_fp:expr, $old_ip:expr, $old_code:expr) => {{
                let new: &Code = &*$code;
                let base = sp.cast::<u64>();
                let words = const_words(new);
                let new_fp = base.add(SAVED + words);
                let end = new_fp.cast::<u8>().add(new.frame_bytes);
                if end >= stack.limit {
                    memory::overflow(&new.name, $old_ip.addr(), $old_fp.addr());
                }
                base.write($old_fp as u64);
                base.add(1).write($old_ip as u64);
                base.add(2).write($old_code as u64);
                base.add(3).write(sp as u64);
                let count = new.consts.len();
                let from = new.consts.as_ptr();
                let to = new_fp.sub(count);
                for k in 0..count {
                    to.add(k).write(from.add(k).read());
                }
                (new_fp, end)
            }};
        }

        {
            let (f, end) = push_frame!(
                code,
                ptr::null_mut::<u64>(),
                ptr::null::<Ins>(),
                ptr::null::<Code>()
            );
            f.copy_from_nonoverlapping(args, arg_words);
            fp = f;
            sp = end;
            ip = (*code).ins.as_ptr();
        }

        macro_rules! r {
            ($slot:expr) => {
                *fp.offset($slot as isize)
            };
        }
        macro_rules! i {
            () => {
                &*ip
            };
        }
        /// The code that runs.
        macro_rules! code {
            () => {{
                let running: &Code = &*code;
                running
            }};
        }
        macro_rules! next {
            () => {{
                ip = ip.add(1);
                continue;
            }};
        }
        macro_rules! set {
            ($e:expr) => {{
                let v: u64 = $e;
                r!((*ip).a) = v;
                next!()
            }};
        }
        /// r[a] = e(r[b], r[c])
        macro_rules! bin {
            (|$x:ident, $y:ident| $e:expr) => {{
                let ($x, $y) = (r!((*ip).b), r!((*ip).c));
                set!($e)
            }};
        }
        /// r[a] = e(r[b], imm)
        macro_rules! imm {
            (|$x:ident, $y:ident| $e:expr) => {{
                let ($x, $y) = (r!((*ip).b), (*ip).imm as u64);
                set!($e)
            }};
        }
        macro_rules! jump {
            ($rel:expr) => {{
                let rel: isize = $rel as isize;
                if rel < 0 {
                    heat -= 1;
                    if heat == 0 {
                        header = ip.offset(rel);
                        ip = &raw const HEAT;
                        continue;
                    }
                }
                ip = ip.offset(rel);
                continue;
            }};
        }
        macro_rules! branch {
            ($c:expr) => {{
                let targets = (*ip).imm;
                let rel = if $c {
                    targets as i32
                } else {
                    (targets >> 32) as i32
                };
                jump!(rel)
            }};
        }
        macro_rules! jrr {
            (|$x:ident, $y:ident| $e:expr) => {{
                let ($x, $y) = (r!((*ip).a), r!((*ip).b));
                branch!($e)
            }};
        }
        macro_rules! jri {
            (|$x:ident, $y:ident| $e:expr) => {{
                let ($x, $y) = (r!((*ip).a), i64::from((*ip).b));
                branch!($e)
            }};
        }
        macro_rules! f32s {
            (|$x:ident, $y:ident| $e:expr) => {{
                let $x = f32::from_bits(r!((*ip).b) as u32);
                let $y = f32::from_bits(r!((*ip).c) as u32);
                set!(u64::from(($e).to_bits()))
            }};
        }
        macro_rules! f64s {
            (|$x:ident, $y:ident| $e:expr) => {{
                let $x = f64::from_bits(r!((*ip).b));
                let $y = f64::from_bits(r!((*ip).c));
                set!(($e).to_bits())
            }};
        }
        macro_rules! fcmp {
            ($f:ident, $t:ty, |$x:ident, $y:ident| $e:expr) => {{
                let $x = $f::from_bits(r!((*ip).b) as $t);
                let $y = $f::from_bits(r!((*ip).c) as $t);
                set!(u64::from($e))
            }};
        }
        macro_rules! jf {
            ($f:ident, $t:ty, |$x:ident, $y:ident| $e:expr) => {{
                let $x = $f::from_bits(r!((*ip).a) as $t);
                let $y = $f::from_bits(r!((*ip).b) as $t);
                branch!($e)
            }};
        }
        /// Address r[base] + imm.
        macro_rules! offset {
            ($base:expr) => {
                at(r!($base).wrapping_add((*ip).imm as u64))
            };
        }
        /// Address r[base] + r[c] * lo + hi.
        macro_rules! indexed {
            ($base:expr) => {{
                let (scale, off) = ((*ip).imm as i32, (*ip).imm >> 32);
                let scaled = r!((*ip).c).wrapping_mul(i64::from(scale) as u64);
                at(r!($base).wrapping_add(scaled).wrapping_add(off as u64))
            }};
        }
        macro_rules! frame {
            ($t:ty) => {
                fp.cast::<u8>().offset((*ip).imm as isize).cast::<$t>()
            };
        }
        macro_rules! ld {
            ($t:ty, $address:expr) => {{
                let p: *const $t = $address;
                let v = p.read_unaligned();
                set!(v as u64)
            }};
        }
        macro_rules! st {
            ($t:ty, $address:expr) => {{
                let p: *mut $t = $address;
                p.write_unaligned(r!((*ip).b) as $t);
                next!()
            }};
        }
        /// Copies the call's arguments behind `sp`, where the callee's slots will be.
        macro_rules! pass {
            ($to:expr, $count:expr) => {{
                let mut list = ip.add(1);
                let mut to: *mut u64 = $to;
                let mut left: usize = $count;
                while left > 0 {
                    // Past the operation: seven slots.
                    let slots = list.cast::<i16>().add(1);
                    let n = left.min(ARGS);
                    for k in 0..n {
                        to.add(k).write(r!(slots.add(k).read()));
                    }
                    to = to.add(n);
                    list = list.add(1);
                    left -= n;
                }
            }};
        }
        macro_rules! call_native {
            ($thunk:expr, $function:expr, $count:expr) => {{
                let thunk: usize = $thunk;
                let function: usize = $function;
                let count: usize = $count;
                let area = sp.cast::<u64>();
                if area.add(count).cast::<u8>() >= stack.limit {
                    memory::overflow(&(*code).name, ip.addr(), fp.addr());
                }
                pass!(area, count);
                let used = area.add(count.next_multiple_of(2));
                stack.top.set(used.cast());
                call::native(thunk, function, area, fp.offset((*ip).a as isize));
                stack.top.set(entry_top);
                ip = ip.add(1 + count.div_ceil(ARGS));
                continue;
            }};
        }
        macro_rules! call_entry {
            ($entry:expr, $count:expr) => {{
                let entry: &FuncEntry = $entry;
                let count: usize = $count;
                if entry.count_call() {
                    // A loop of its own runs the callee, whose frame names no caller. For whoever tells of a fault, the
                    // words below the arguments do, as in a frame.
                    let caller = sp.cast::<u64>();
                    let area = caller.add(2);
                    if area.add(count).cast::<u8>() >= stack.limit {
                        memory::overflow(&(*code).name, ip.addr(), fp.addr());
                    }
                    caller.write(ip as u64);
                    caller.add(1).write(code as u64);
                    pass!(area, count);
                    let used = area.add(count.next_multiple_of(2));
                    stack.top.set(used.cast());
                    stack.heat.set(heat);
                    let result = fp.offset((*ip).a as isize);
                    let done = call::counted(entry, area, count, result, stack);
                    stack.top.set(entry_top);
                    heat = stack.heat.get();
                    if done {
                        ip = ip.add(1 + count.div_ceil(ARGS));
                        continue;
                    }
                }
                let mut callee = entry.hot.load(Relaxed);
                if callee.is_null() {
                    if entry.is_missing() {
                        entry.begin();
                        callee = entry.hot.load(Acquire);
                    }
                    if callee.is_null() {
                        entry.hand_over_call();
                        call_native!(entry.thunk.load(Relaxed), entry.native.load(Acquire), count)
                    }
                }
                let (new_fp, end) = push_frame!(callee, fp, ip, code);
                pass!(new_fp, count);
                fp = new_fp;
                sp = end;
                code = callee;
                ip = (*callee).ins.as_ptr();
                continue;
            }};
        }
        /// Goes back to the caller; gives its slot for the result, or ends the loop.
        macro_rules! pop {
            ($result:ident, $copy:expr) => {{
                let base = fp.sub(SAVED + const_words(&*code));
                let back = with_exposed_provenance::<Code>(base.add(2).read() as usize);
                if back.is_null() {
                    let $result = ret;
                    $copy;
                    stack.heat.set(heat);
                    return;
                }
                let old_fp = at::<u64>(base.read());
                let call = with_exposed_provenance::<Ins>(base.add(1).read() as usize);
                let $result = old_fp.offset((*call).a as isize);
                $copy;
                sp = at(base.add(3).read());
                fp = old_fp;
                code = back;
                ip = call.add(1 + ((*call).b as usize).div_ceil(ARGS));
                continue;
            }};
        }

        loop {
            match (*ip).op {
                Op::Mov => set!(r!((*ip).b)),
                Op::Mov2 => {
                    r!((*ip).a) = r!((*ip).b);
                    r!((*ip).c) = r!((*ip).imm);
                    next!()
                }
                Op::MovJmp => {
                    r!((*ip).a) = r!((*ip).b);
                    jump!((*ip).imm)
                }
                Op::MovN => {
                    let from = fp.offset((*ip).b as isize);
                    fp.offset((*ip).a as isize)
                        .copy_from(from, (*ip).imm as usize);
                    next!()
                }
                Op::Imm => set!((*ip).imm as u64),
                Op::Zero => {
                    fp.offset((*ip).a as isize)
                        .write_bytes(0, (*ip).imm as usize);
                    next!()
                }
                Op::Lea => set!(frame!(u8).expose_provenance() as u64),
                Op::LeaX => {
                    let p: *mut u8 = indexed!((*ip).b);
                    set!(p.addr() as u64)
                }

                Op::Add32 => bin!(|x, y| u64::from((x as u32).wrapping_add(y as u32))),
                Op::Add64 => bin!(|x, y| x.wrapping_add(y)),
                Op::Sub32 => bin!(|x, y| u64::from((x as u32).wrapping_sub(y as u32))),
                Op::Sub64 => bin!(|x, y| x.wrapping_sub(y)),
                Op::Mul32 => bin!(|x, y| u64::from((x as u32).wrapping_mul(y as u32))),
                Op::Mul64 => bin!(|x, y| x.wrapping_mul(y)),
                Op::And => bin!(|x, y| x & y),
                Op::Or => bin!(|x, y| x | y),
                Op::Xor => bin!(|x, y| x ^ y),
                Op::Shl32 => bin!(|x, y| u64::from((x as u32).wrapping_shl(y as u32))),
                Op::Shl64 => bin!(|x, y| x.wrapping_shl(y as u32)),
                Op::LShr => bin!(|x, y| x.wrapping_shr(y as u32)),
                Op::AShr32 => bin!(|x, y| u64::from((x as i32).wrapping_shr(y as u32) as u32)),
                Op::AShr64 => bin!(|x, y| (x as i64).wrapping_shr(y as u32) as u64),
                Op::UDiv => bin!(|x, y| x.checked_div(y).unwrap_or_else(|| memory::divide_error())),
                Op::URem => bin!(|x, y| x.checked_rem(y).unwrap_or_else(|| memory::divide_error())),
                Op::SDiv32 => bin!(|x, y| u64::from(div32(x, y))),
                Op::SDiv64 => bin!(|x, y| div64(x, y)),
                Op::SRem32 => bin!(|x, y| u64::from(rem32(x, y))),
                Op::SRem64 => bin!(|x, y| rem64(x, y)),
                Op::Add32I => imm!(|x, y| u64::from((x as u32).wrapping_add(y as u32))),
                Op::Add64I => imm!(|x, y| x.wrapping_add(y)),
                Op::SubI32 => imm!(|x, y| u64::from((y as u32).wrapping_sub(x as u32))),
                Op::SubI64 => imm!(|x, y| y.wrapping_sub(x)),
                Op::Mul32I => imm!(|x, y| u64::from((x as u32).wrapping_mul(y as u32))),
                Op::Mul64I => imm!(|x, y| x.wrapping_mul(y)),
                Op::AndI => imm!(|x, y| x & y),
                Op::OrI => imm!(|x, y| x | y),
                Op::XorI => imm!(|x, y| x ^ y),
                Op::Shl32I => imm!(|x, y| u64::from((x as u32).wrapping_shl(y as u32))),
                Op::Shl64I => imm!(|x, y| x.wrapping_shl(y as u32)),
                Op::LShrI => imm!(|x, y| x.wrapping_shr(y as u32)),
                Op::AShr32I => imm!(|x, y| u64::from((x as i32).wrapping_shr(y as u32) as u32)),
                Op::AShr64I => imm!(|x, y| (x as i64).wrapping_shr(y as u32) as u64),
                Op::UDivI => {
                    imm!(|x, y| x.checked_div(y).unwrap_or_else(|| memory::divide_error()))
                }
                Op::URemI => {
                    imm!(|x, y| x.checked_rem(y).unwrap_or_else(|| memory::divide_error()))
                }
                Op::SDiv32I => imm!(|x, y| u64::from(div32(x, y))),
                Op::SDiv64I => imm!(|x, y| div64(x, y)),
                Op::SRem32I => imm!(|x, y| u64::from(rem32(x, y))),
                Op::SRem64I => imm!(|x, y| rem64(x, y)),
                Op::Sext => imm!(|x, y| (((x << (y & 63)) as i64) >> (y & 63)) as u64),
                Op::Sext32 => set!(i64::from(r!((*ip).b) as i32) as u64),

                Op::Eq => bin!(|x, y| u64::from(x == y)),
                Op::Ne => bin!(|x, y| u64::from(x != y)),
                Op::Ult => bin!(|x, y| u64::from(x < y)),
                Op::Ule => bin!(|x, y| u64::from(x <= y)),
                Op::Slt32 => bin!(|x, y| u64::from((x as i32) < y as i32)),
                Op::Sle32 => bin!(|x, y| u64::from(x as i32 <= y as i32)),
                Op::Slt64 => bin!(|x, y| u64::from((x as i64) < y as i64)),
                Op::Sle64 => bin!(|x, y| u64::from(x as i64 <= y as i64)),
                Op::EqI => imm!(|x, y| u64::from(x == y)),
                Op::NeI => imm!(|x, y| u64::from(x != y)),
                Op::UltI => imm!(|x, y| u64::from(x < y)),
                Op::UleI => imm!(|x, y| u64::from(x <= y)),
                Op::UgtI => imm!(|x, y| u64::from(x > y)),
                Op::UgeI => imm!(|x, y| u64::from(x >= y)),
                Op::Slt32I => imm!(|x, y| u64::from((x as i32) < y as i32)),
                Op::Sle32I => imm!(|x, y| u64::from(x as i32 <= y as i32)),
                Op::Sgt32I => imm!(|x, y| u64::from(x as i32 > y as i32)),
                Op::Sge32I => imm!(|x, y| u64::from(x as i32 >= y as i32)),
                Op::Slt64I => imm!(|x, y| u64::from((x as i64) < y as i64)),
                Op::Sle64I => imm!(|x, y| u64::from(x as i64 <= y as i64)),
                Op::Sgt64I => imm!(|x, y| u64::from(x as i64 > y as i64)),
                Op::Sge64I => imm!(|x, y| u64::from(x as i64 >= y as i64)),
                Op::FOeq32 => fcmp!(f32, u32, |x, y| x == y),
                Op::FOlt32 => fcmp!(f32, u32, |x, y| x < y),
                Op::FOle32 => fcmp!(f32, u32, |x, y| x <= y),
                Op::FCmp32 => {
                    let p = FLOAT_PREDICATES[(*ip).imm as usize & 15];
                    fcmp!(f32, u32, |x, y| lanes::float_holds(p, x.into(), y.into()))
                }
                Op::FOeq64 => fcmp!(f64, u64, |x, y| x == y),
                Op::FOlt64 => fcmp!(f64, u64, |x, y| x < y),
                Op::FOle64 => fcmp!(f64, u64, |x, y| x <= y),
                Op::FCmp64 => {
                    let p = FLOAT_PREDICATES[(*ip).imm as usize & 15];
                    fcmp!(f64, u64, |x, y| lanes::float_holds(p, x, y))
                }
                Op::Sel => {
                    let (yes, no) = (r!((*ip).c), r!((*ip).imm));
                    set!(if r!((*ip).b) & 1 != 0 { yes } else { no })
                }
                Op::SelN => {
                    let slot = if r!((*ip).b) & 1 != 0 {
                        isize::from((*ip).c)
                    } else {
                        (*ip).imm as i32 as isize
                    };
                    fp.offset((*ip).a as isize)
                        .copy_from(fp.offset(slot), ((*ip).imm >> 32) as usize);
                    next!()
                }

                Op::Jmp => jump!((*ip).imm),
                Op::Br => branch!(r!((*ip).a) & 1 != 0),
                Op::JEq => jrr!(|x, y| x == y),
                Op::JUlt => jrr!(|x, y| x < y),
                Op::JSlt32 => jrr!(|x, y| (x as i32) < y as i32),
                Op::JSlt64 => jrr!(|x, y| (x as i64) < y as i64),
                Op::JEqI => jri!(|x, y| x == y as u64),
                Op::JUltI => jri!(|x, y| x < y as u64),
                Op::JUgtI => jri!(|x, y| x > y as u64),
                Op::JSlt32I => jri!(|x, y| (x as i32) < y as i32),
                Op::JSgt32I => jri!(|x, y| x as i32 > y as i32),
                Op::JSlt64I => jri!(|x, y| (x as i64) < y),
                Op::JSgt64I => jri!(|x, y| x as i64 > y),
                Op::JFOeq32 => jf!(f32, u32, |x, y| x == y),
                Op::JFOlt32 => jf!(f32, u32, |x, y| x < y),
                Op::JFOle32 => jf!(f32, u32, |x, y| x <= y),
                Op::JFOeq64 => jf!(f64, u64, |x, y| x == y),
                Op::JFOlt64 => jf!(f64, u64, |x, y| x < y),
                Op::JFOle64 => jf!(f64, u64, |x, y| x <= y),
                Op::Switch => {
                    let x = r!((*ip).a);
                    let rel = match code!().switches.get_unchecked((*ip).imm as usize) {
                        SwitchTable::Dense {
                            first,
                            targets,
                            default,
                        } => {
                            let index = x.wrapping_sub(*first);
                            if index < targets.len() as u64 {
                                targets[index as usize]
                            } else {
                                *default
                            }
                        }
                        SwitchTable::Sparse {
                            values,
                            targets,
                            default,
                        } => values.binary_search(&x).map_or(*default, |k| targets[k]),
                    };
                    jump!(rel)
                }

                Op::FAdd32 => f32s!(|x, y| x + y),
                Op::FSub32 => f32s!(|x, y| x - y),
                Op::FMul32 => f32s!(|x, y| x * y),
                Op::FDiv32 => f32s!(|x, y| x / y),
                Op::FAdd64 => f64s!(|x, y| x + y),
                Op::FSub64 => f64s!(|x, y| x - y),
                Op::FMul64 => f64s!(|x, y| x * y),
                Op::FDiv64 => f64s!(|x, y| x / y),
                Op::FNeg32 => set!(u64::from(r!((*ip).b) as u32 ^ (1 << 31))),
                Op::FNeg64 => set!(r!((*ip).b) ^ (1 << 63)),
                Op::FMulAdd32 => {
                    let z = f32::from_bits(r!((*ip).imm) as u32);
                    f32s!(|x, y| x * y + z)
                }
                Op::FMulAdd64 => {
                    let z = f64::from_bits(r!((*ip).imm));
                    f64s!(|x, y| x * y + z)
                }
                Op::FExt => set!(f64::from(f32::from_bits(r!((*ip).b) as u32)).to_bits()),
                Op::FTrunc => set!(u64::from((f64::from_bits(r!((*ip).b)) as f32).to_bits())),
                Op::SToF32 => set!(u64::from((r!((*ip).b) as i64 as f32).to_bits())),
                Op::SToF64 => set!((r!((*ip).b) as i64 as f64).to_bits()),
                Op::S32ToF32 => set!(u64::from((r!((*ip).b) as i32 as f32).to_bits())),
                Op::S32ToF64 => set!(f64::from(r!((*ip).b) as i32).to_bits()),
                Op::F64ToS32 => set!(u64::from(lanes::to_i32(f64::from_bits(r!((*ip).b))) as u32)),
                Op::F64ToS64 => set!(lanes::to_i64(f64::from_bits(r!((*ip).b))) as u64),
                Op::F32ToS32 => {
                    set!(u64::from(
                        lanes::to_i32(f32::from_bits(r!((*ip).b) as u32).into()) as u32
                    ))
                }
                Op::F32ToS64 => {
                    set!(lanes::to_i64(f32::from_bits(r!((*ip).b) as u32).into()) as u64)
                }
                Op::FSqrt64 => set!(f64::from_bits(r!((*ip).b)).sqrt().to_bits()),
                Op::FAbs64 => set!(r!((*ip).b) & (u64::MAX >> 1)),

                Op::Ld8 => ld!(u8, offset!((*ip).b)),
                Op::Ld16 => ld!(u16, offset!((*ip).b)),
                Op::Ld32 => ld!(u32, offset!((*ip).b)),
                Op::Ld64 => ld!(u64, offset!((*ip).b)),
                Op::LdX8 => ld!(u8, indexed!((*ip).b)),
                Op::LdX16 => ld!(u16, indexed!((*ip).b)),
                Op::LdX32 => ld!(u32, indexed!((*ip).b)),
                Op::LdX64 => ld!(u64, indexed!((*ip).b)),
                Op::LdF8 => ld!(u8, frame!(u8)),
                Op::LdF16 => ld!(u16, frame!(u16)),
                Op::LdF32 => ld!(u32, frame!(u32)),
                Op::LdF64 => ld!(u64, frame!(u64)),
                Op::LdB => {
                    let bytes = (*ip).c as u16 as usize;
                    let to = fp.offset((*ip).a as isize);
                    let from: *const u8 = offset!((*ip).b);
                    if !bytes.is_multiple_of(8) {
                        to.add(bytes / 8).write(0);
                    }
                    to.cast::<u8>().copy_from(from, bytes);
                    next!()
                }
                Op::St8 => st!(u8, offset!((*ip).a)),
                Op::St16 => st!(u16, offset!((*ip).a)),
                Op::St32 => st!(u32, offset!((*ip).a)),
                Op::St64 => st!(u64, offset!((*ip).a)),
                Op::StX8 => st!(u8, indexed!((*ip).a)),
                Op::StX16 => st!(u16, indexed!((*ip).a)),
                Op::StX32 => st!(u32, indexed!((*ip).a)),
                Op::StX64 => st!(u64, indexed!((*ip).a)),
                Op::StF8 => st!(u8, frame!(u8)),
                Op::StF16 => st!(u16, frame!(u16)),
                Op::StF32 => st!(u32, frame!(u32)),
                Op::StF64 => st!(u64, frame!(u64)),
                Op::StB => {
                    let to: *mut u8 = offset!((*ip).a);
                    to.copy_from(fp.offset((*ip).b as isize).cast(), (*ip).c as u16 as usize);
                    next!()
                }
                Op::MemCpy | Op::MemMove => {
                    let n = r!((*ip).c) as usize;
                    // Of nothing, the addresses may be anything.
                    if n != 0 {
                        at::<u8>(r!((*ip).a)).copy_from(at::<u8>(r!((*ip).b)), n);
                    }
                    next!()
                }
                Op::MemSet => {
                    let n = r!((*ip).c) as usize;
                    if n != 0 {
                        at::<u8>(r!((*ip).a)).write_bytes(r!((*ip).b) as u8, n);
                    }
                    next!()
                }
                Op::MemCpyI => {
                    let (to, from) = (at::<u8>(r!((*ip).a)), at::<u8>(r!((*ip).b)));
                    to.copy_from(from, (*ip).imm as usize);
                    next!()
                }
                Op::Alloca => {
                    let align = ((*ip).imm as usize).max(16);
                    let bytes = (r!((*ip).b) as usize).next_multiple_of(16);
                    let room = stack.limit.addr() - sp.addr();
                    if bytes.saturating_add(align) >= room {
                        memory::overflow(&(*code).name, ip.addr(), fp.addr());
                    }
                    let start = sp.add(sp.align_offset(align));
                    sp = start.add(bytes);
                    set!(start.expose_provenance() as u64)
                }
                Op::StackSave => set!(sp.expose_provenance() as u64),
                Op::StackRestore => {
                    sp = at(r!((*ip).a));
                    next!()
                }

                Op::Call => {
                    let entry = with_exposed_provenance::<FuncEntry>((*ip).imm as usize);
                    call_entry!(&*entry, (*ip).b as usize)
                }
                Op::CallInd => {
                    let site = code!().sites.get_unchecked((*ip).imm as usize);
                    let address = r!(site.callee) as usize;
                    if let Some(number) = site.through_pointer {
                        call::called_through(code!(), number, address);
                    }
                    let count = (*ip).b as usize;
                    match call::interpreted(address) {
                        Some(entry)
                            if entry.signature == site.signature
                                && call::is_beside(code!(), entry)
                                && !entry.variadic
                                && (!entry.hot.load(Relaxed).is_null() || entry.is_missing()) =>
                        {
                            call_entry!(entry, count)
                        }
                        _ => call_native!(call::thunk_of(code!(), site), address, count),
                    }
                }
                Op::Ret => {
                    let v = r!((*ip).b);
                    pop!(result, result.write(v))
                }
                Op::RetN => {
                    let (from, n) = (fp.offset((*ip).b as isize), (*ip).imm as usize);
                    pop!(result, result.copy_from(from, n))
                }
                Op::RetVoid => pop!(result, drop_pointer(result)),
                Op::VaCopy => {
                    at::<u8>(r!((*ip).a)).copy_from(at(r!((*ip).b)), 24);
                    next!()
                }
                Op::VaArg => set!(call::next_argument(at(r!((*ip).b)), (*ip).imm != 0)),

                Op::Pure1 => {
                    let f = std::mem::transmute::<usize, lanes::F1>((*ip).imm as usize);
                    set!(f(r!((*ip).b)))
                }
                Op::Pure2 => {
                    let f = std::mem::transmute::<usize, lanes::F2>((*ip).imm as usize);
                    set!(f(r!((*ip).b), r!((*ip).c)))
                }
                Op::Lanes => {
                    let op = code!().lanes.get_unchecked((*ip).imm as usize);
                    if op.len == 0 {
                        let v = match op.f {
                            LaneFn::One(f) => f(r!((*ip).b)),
                            LaneFn::Two(f) => f(r!((*ip).b), r!((*ip).c)),
                            LaneFn::Three(f) => f(r!((*ip).b), r!((*ip).c), r!(op.third)),
                        };
                        set!(v & op.out_mask)
                    }
                    vector::lanes(op, fp, i!());
                    next!()
                }
                Op::Wide => {
                    wide::step(&code!().wides[(*ip).imm as usize], fp, i!());
                    next!()
                }
                Op::Atomic => {
                    call::atomic(&code!().atomics[(*ip).imm as usize], fp, i!());
                    next!()
                }
                Op::Vector => {
                    vector::step(&code!().vectors[(*ip).imm as usize], fp, i!());
                    next!()
                }
                Op::Overflow => {
                    wide::overflow(&code!().overflows[(*ip).imm as usize], fp, i!());
                    next!()
                }
                Op::Count => {
                    let counter = code!().counts.get_unchecked((*ip).imm as usize);
                    counter.store(counter.load(Relaxed) + 1, Relaxed);
                    next!()
                }
                Op::Heat => {
                    let index = header.offset_from((*code).ins.as_ptr()) as u32;
                    let step = (*code).heat_step;
                    (*code).back_edges.fetch_add(step.into(), Relaxed);
                    heat = step;
                    ip = header;
                    if let Some((head, osr)) = call::went_round(code!(), index, step) {
                        // Compiled code continues this activation; the frame stays, its variables are used on.
                        let buffer = sp.cast::<u64>();
                        let result = buffer.add(head.buffer_words());
                        let used = result.add(code!().result_words.next_multiple_of(2) + 2);
                        if used.cast::<u8>() >= stack.limit {
                            memory::overflow(&(*code).name, header.addr(), fp.addr());
                        }
                        let mut to = buffer;
                        for v in &head.live {
                            to.copy_from(fp.offset(v.slot as isize), v.slots as usize);
                            to = to.add(v.slots as usize);
                        }
                        for (place, _) in &head.variables {
                            to.write(
                                fp.cast::<u8>().add(*place as usize).expose_provenance() as u64
                            );
                            to = to.add(1);
                        }
                        let top = used.cast::<u8>();
                        stack.top.set(top.add(top.align_offset(16)));
                        call::on_stack_replacement(osr, buffer, result);
                        stack.top.set(entry_top);
                        let words = code!().result_words;
                        pop!(to, to.copy_from(result, words))
                    }
                    continue;
                }
                Op::Trap | Op::Args => memory::trap_at(ip.addr(), fp.addr()),
            }
        }
    }
}

/// More bytes than the code of [`run`] takes.
const LOOP_BYTES: usize = 48 << 10;

/// Whether code at `address` is the interpreter's loop, or lies just behind it.
pub fn is_loop(address: usize) -> bool {
    address.wrapping_sub(run as *const () as usize) < LOOP_BYTES
}

/// A result nobody asked for.
fn drop_pointer(_result: *mut u64) {}

fn div32(x: u64, y: u64) -> u32 {
    match (x as i32).checked_div(y as i32) {
        Some(q) => q as u32,
        None => memory::divide_error(),
    }
}

fn div64(x: u64, y: u64) -> u64 {
    match (x as i64).checked_div(y as i64) {
        Some(q) => q as u64,
        None => memory::divide_error(),
    }
}

fn rem32(x: u64, y: u64) -> u32 {
    match (x as i32).checked_rem(y as i32) {
        Some(q) => q as u32,
        None => memory::divide_error(),
    }
}

fn rem64(x: u64, y: u64) -> u64 {
    match (x as i64).checked_rem(y as i64) {
        Some(q) => q as u64,
        None => memory::divide_error(),
    }
}
