//! The interpreter's instructions.
//!
//! One instruction is 16 bytes: an operation, three slots and an immediate. A slot is an index of 8-byte words from the
//! frame pointer; negative slots hold the function's constants. Values of up to 64 bits fill one slot: integers are
//! extended with zeros, floats are their bits (above a `float`'s 32 the slot is undefined). 128-bit integers fill two,
//! vectors lie element after element (an `i1` element takes a byte), aggregates as they lie in memory.
//!
//! `r[x]` is slot `x`, `imm` the immediate, `lo` and `hi` its signed halves. Jumps count instructions from their own.

/// One instruction.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Ins {
    pub op: Op,
    pub a: i16,
    pub b: i16,
    pub c: i16,
    pub imm: i64,
}

/// What an instruction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Op {
    // --- moves
    /// r[a] = r[b]
    Mov,
    /// r[a] = r[b]; r[c] = r[imm]
    Mov2,
    /// r[a] = r[b]; jump imm
    MovJmp,
    /// r[a..] = r[b..], imm slots, which may overlap
    MovN,
    /// r[a] = imm
    Imm,
    /// r[a..] = 0, imm slots
    Zero,
    /// r[a] = address of frame byte imm
    Lea,
    /// r[a] = r[b] + r[c] * lo + hi
    LeaX,

    // --- integers: r[a] = r[b] op r[c], or op imm
    Add32,
    Add64,
    Sub32,
    Sub64,
    Mul32,
    Mul64,
    And,
    Or,
    Xor,
    Shl32,
    Shl64,
    LShr,
    AShr32,
    AShr64,
    UDiv,
    URem,
    SDiv32,
    SDiv64,
    SRem32,
    SRem64,
    Add32I,
    Add64I,
    /// r[a] = imm - r[b]
    SubI32,
    /// r[a] = imm - r[b]
    SubI64,
    Mul32I,
    Mul64I,
    AndI,
    OrI,
    XorI,
    Shl32I,
    Shl64I,
    LShrI,
    AShr32I,
    AShr64I,
    UDivI,
    URemI,
    SDiv32I,
    SDiv64I,
    SRem32I,
    SRem64I,
    /// r[a] = sign extension of the low 64 - imm bits of r[b], to 64 bits
    Sext,
    /// r[a] = sign extension of 32 bits to 64
    Sext32,

    // --- comparisons: r[a] = r[b] op r[c] or imm
    Eq,
    Ne,
    Ult,
    Ule,
    Slt32,
    Sle32,
    Slt64,
    Sle64,
    EqI,
    NeI,
    UltI,
    UleI,
    UgtI,
    UgeI,
    Slt32I,
    Sle32I,
    Sgt32I,
    Sge32I,
    Slt64I,
    Sle64I,
    Sgt64I,
    Sge64I,
    /// Float comparisons; `FCmp*` with the predicate in imm
    FOeq32,
    FOlt32,
    FOle32,
    FCmp32,
    FOeq64,
    FOlt64,
    FOle64,
    FCmp64,
    /// r[a] = r[b] ? r[c] : r[imm]
    Sel,
    /// the same over `hi` slots; lo is the slot of the third operand
    SelN,

    // --- jumps: lo if true, hi if false
    /// jump imm
    Jmp,
    /// if r[a] & 1
    Br,
    /// if r[a] op r[b]
    JEq,
    JUlt,
    JSlt32,
    JSlt64,
    /// if r[a] op b, the slot number taken as a signed constant
    JEqI,
    JUltI,
    JUgtI,
    JSlt32I,
    JSgt32I,
    JSlt64I,
    JSgt64I,
    JFOeq32,
    JFOlt32,
    JFOle32,
    JFOeq64,
    JFOlt64,
    JFOle64,
    /// jump by table imm on r[a]
    Switch,

    // --- floats
    FAdd32,
    FSub32,
    FMul32,
    FDiv32,
    FAdd64,
    FSub64,
    FMul64,
    FDiv64,
    FNeg32,
    FNeg64,
    /// r[a] = r[b] * r[c] + r[imm], rounded twice
    FMulAdd32,
    FMulAdd64,
    FExt,
    FTrunc,
    SToF32,
    SToF64,
    S32ToF32,
    S32ToF64,
    F64ToS32,
    F64ToS64,
    F32ToS32,
    F32ToS64,
    FSqrt64,
    FAbs64,

    // --- memory: addresses are r[b] + imm, r[b] + r[c] * lo + hi, or frame byte imm
    Ld8,
    Ld16,
    Ld32,
    Ld64,
    LdX8,
    LdX16,
    LdX32,
    LdX64,
    LdF8,
    LdF16,
    LdF32,
    LdF64,
    /// c bytes to r[a..]; the rest of the last slot becomes zero
    LdB,
    /// address r[a] + imm from r[b]
    St8,
    St16,
    St32,
    St64,
    /// address r[a] + r[c] * lo + hi from r[b]
    StX8,
    StX16,
    StX32,
    StX64,
    /// frame byte imm from r[b]
    StF8,
    StF16,
    StF32,
    StF64,
    /// address r[a] + imm from r[b..], c bytes
    StB,
    /// r[a], r[b], r[c]: destination, source, length
    MemCpy,
    MemMove,
    /// r[a], r[b], r[c]: destination, byte, length
    MemSet,
    /// the same with length imm
    MemCpyI,
    /// r[a] = stack memory of r[b] bytes, aligned to imm
    Alloca,
    /// r[a] = stack pointer
    StackSave,
    /// stack pointer = r[a]
    StackRestore,

    // --- calls: words of argument slots follow (`Args`)
    /// r[a..] = function entry imm, b argument slots, c result slots
    Call,
    /// the same through call site imm, whose address is in the site's slot
    CallInd,
    /// return r[b]
    Ret,
    /// return r[b..], imm slots
    RetN,
    RetVoid,
    /// va_list at r[a] = the one behind r[b]
    VaCopy,
    /// r[a] = next variadic argument of va_list r[b]; imm: 0 integer, 1 float
    VaArg,

    // --- everything else
    /// r[a] = f(r[b]), f the function at address imm
    Pure1,
    /// r[a] = f(r[b], r[c])
    Pure2,
    /// operation imm of the code's table of lane operations, on r[a], r[b], r[c]
    Lanes,
    /// operation imm of the code's table of wide operations
    Wide,
    /// operation imm of the code's table of atomic operations
    Atomic,
    /// operation imm of the code's table of vector operations
    Vector,
    /// {r[b] op r[c], overflow}: operation imm of the code's table of overflow operations
    Overflow,
    /// counter imm += 1
    Count,
    /// Never in a function's code: the loop comes here when a step of backward jumps is full
    Heat,
    /// Undefined behaviour was reached, or `llvm.trap`
    Trap,
    /// Not executed: up to seven argument slots of the call before, in a, b, c and the quarters of imm
    Args,
}

/// Argument slots in one `Args`.
pub(crate) const ARGS: usize = 7;

impl Ins {
    /// Up to seven argument slots.
    pub fn args(slots: &[i16]) -> Ins {
        let s = |k: usize| slots.get(k).copied().unwrap_or(0);
        let imm = (3..ARGS).fold(0, |imm, k| imm | i64::from(s(k) as u16) << ((k - 3) * 16));
        Ins {
            op: Op::Args,
            a: s(0),
            b: s(1),
            c: s(2),
            imm,
        }
    }
}
