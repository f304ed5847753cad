//! Which values of a function never need slots of their own.

use super::Reason;
use crate::interp::constants::step;
use crate::interp::shape::Shape;
use llvm::ir::{Block, Constant, Layout, Opcode, TypeKind, Value, ValueKind};
use rustc_hash::{FxHashMap, FxHashSet};

/// base + index * scale + offset
#[derive(Debug, Clone, Copy)]
pub(super) struct Address<'m> {
    pub base: Value<'m>,
    pub index: Option<(Value<'m>, i32)>,
    pub offset: i64,
}

/// A function, taken apart.
pub(super) struct Analysis<'m> {
    pub function: Value<'m>,
    pub params: Vec<Value<'m>>,
    pub blocks: Vec<Block<'m>>,
    pub block_index: FxHashMap<Block<'m>, usize>,
    pub instructions: Vec<Vec<Value<'m>>>,
    /// How often each value is read by instructions that do something.
    pub uses: FxHashMap<Value<'m>, u32>,
    /// Instructions that need no code: intrinsics without effect, unused computations, and the three below.
    pub skipped: FxHashSet<Value<'m>>,
    /// Address computations that become part of loads and stores.
    pub addresses: FxHashMap<Value<'m>, Address<'m>>,
    /// Stack variables with a fixed place: offset among the frame's variables.
    pub variables: FxHashMap<Value<'m>, u64>,
    /// Those whose address is never needed as a value.
    pub only_accessed: FxHashSet<Value<'m>>,
    /// Comparisons that become part of a branch.
    pub fused: FxHashSet<Value<'m>>,
    /// Bytes of all stack variables.
    pub variable_bytes: u64,
}

/// Intrinsics that compute nothing.
const IGNORED: &[&str] = &[
    "llvm.lifetime.",
    "llvm.dbg.",
    "llvm.assume",
    "llvm.experimental.noalias.scope.decl",
    "llvm.invariant.",
    "llvm.prefetch",
    "llvm.donothing",
    "llvm.sideeffect",
    "llvm.var.annotation",
    "llvm.pseudoprobe",
    "llvm.fake.use",
    "llvm.instrprof.",
];

fn is_ignored(v: Value<'_>) -> bool {
    v.opcode() == Some(Opcode::Call)
        && v.callee().is_some_and(|f| {
            f.is_intrinsic() && {
                let name = f.name();
                IGNORED.iter().any(|i| name.starts_with(i))
            }
        })
}

/// Whether an instruction does nothing but give a value.
fn is_pure(op: Opcode) -> bool {
    use Opcode as O;
    !matches!(
        op,
        O::Ret
            | O::Br
            | O::Switch
            | O::Invoke
            | O::Unreachable
            | O::Load
            | O::Store
            | O::Call
            | O::Fence
            | O::CmpXchg
            | O::AtomicRmw
            | O::Resume
            | O::VaArg
            | O::Other
            | O::UDiv
            | O::SDiv
            | O::URem
            | O::SRem
    )
}

/// Whether a value is part of the function, not a constant.
fn is_local(v: Value<'_>) -> bool {
    matches!(v.kind(), ValueKind::Argument | ValueKind::Instruction)
}

/// Pointer a load or store of one number goes through.
fn scalar_pointer<'m>(v: Value<'m>, layout: Layout<'m>) -> Option<Value<'m>> {
    let (ty, pointer) = match v.opcode()? {
        Opcode::Load => (v.ty(), v.operand(0)?),
        Opcode::Store => (v.operand(0)?.ty(), v.operand(1)?),
        _ => return None,
    };
    let shape = Shape::of(ty, layout)?;
    let regular = matches!(shape.scalar_store_bytes(), 1 | 2 | 4 | 8);
    (shape.is_scalar() && regular && !v.is_atomic()).then_some(pointer)
}

impl<'m> Analysis<'m> {
    pub fn of(
        function: Value<'m>,
        layout: Layout<'m>,
    ) -> Result<Self, (Option<Value<'m>>, Reason)> {
        let blocks = function.blocks();
        let block_index = blocks.iter().enumerate().map(|(i, b)| (*b, i)).collect();
        let instructions: Vec<Vec<_>> = blocks.iter().map(|b| b.instructions()).collect();
        let mut all = Analysis {
            function,
            params: function.params(),
            blocks,
            block_index,
            instructions,
            uses: FxHashMap::default(),
            skipped: FxHashSet::default(),
            addresses: FxHashMap::default(),
            variables: FxHashMap::default(),
            only_accessed: FxHashSet::default(),
            fused: FxHashSet::default(),
            variable_bytes: 0,
        };
        all.count_uses();
        all.place_variables(layout);
        all.fold_addresses(layout);
        all.fuse_compares();
        Ok(all)
    }

    fn count_uses(&mut self) {
        let all: Vec<Value<'m>> = self.instructions.iter().flatten().copied().collect();
        for v in &all {
            if is_ignored(*v) {
                self.skipped.insert(*v);
            }
        }
        for v in all.iter().filter(|v| !self.skipped.contains(v)) {
            for o in operands(*v) {
                *self.uses.entry(o).or_insert(0) += 1;
            }
        }
        // What nobody reads is not computed; that may leave its operands unread.
        let mut work: Vec<Value<'m>> = all.clone();
        while let Some(v) = work.pop() {
            let unused = self.uses.get(&v).is_none_or(|n| *n == 0);
            if unused && v.opcode().is_some_and(is_pure) && self.skipped.insert(v) {
                for o in operands(v) {
                    if let Some(n) = self.uses.get_mut(&o) {
                        *n -= 1;
                        work.push(o);
                    }
                }
            }
        }
    }

    fn place_variables(&mut self, layout: Layout<'m>) {
        let entry = self.instructions.first().cloned().unwrap_or_default();
        for v in entry.into_iter().filter(|v| !self.skipped.contains(v)) {
            let Some(ty) = v.allocated_type() else {
                continue;
            };
            let count = match v.operand(0).and_then(|c| c.constant()) {
                Some(Constant::Int(n)) if n < 1 << 32 => n as u64,
                _ => continue,
            };
            let align = u64::from(v.align()).max(layout.align(ty));
            let bytes = layout.alloc_size(ty).saturating_mul(count);
            if align <= 16 && bytes < 1 << 28 {
                let at = self.variable_bytes.next_multiple_of(align.max(8));
                self.variables.insert(v, at);
                self.variable_bytes = at + bytes;
            }
        }
    }

    /// Takes an address computation apart, if it has at most one variable index.
    pub fn address_of(&self, gep: Value<'m>, layout: Layout<'m>) -> Option<Address<'m>> {
        let mut ty = gep.gep_type()?;
        if gep.ty().kind() != TypeKind::Ptr {
            return None;
        }
        let mut address = Address {
            base: gep.operand(0)?,
            index: None,
            offset: 0,
        };
        for i in 1..gep.operand_count() {
            let index = gep.operand(i)?;
            let width = match index.ty().kind() {
                TypeKind::Int(w) => w,
                _ => return None,
            };
            let number = match index.constant() {
                Some(Constant::Int(n)) if width <= 64 => {
                    Some(((n as i64) << (64 - width)) >> (64 - width))
                }
                Some(Constant::Zero | Constant::Undefined) => Some(0),
                Some(_) => return None,
                None => None,
            };
            if let Some(number) = number {
                let (bytes, next) = step(layout, ty, i == 1, number)?;
                address.offset = address.offset.wrapping_add(bytes);
                ty = next;
            } else {
                let (scale, next) = step(layout, ty, i == 1, 1)?;
                if width != 64 || address.index.is_some() || !is_local(index) {
                    return None;
                }
                address.index = Some((index, i32::try_from(scale).ok()?));
                ty = next;
            }
        }
        i32::try_from(address.offset).ok()?;
        Some(address)
    }

    fn fold_addresses(&mut self, layout: Layout<'m>) {
        // How many of a pointer's uses are loads and stores through it.
        let mut through: FxHashMap<Value<'m>, u32> = FxHashMap::default();
        for v in self
            .instructions
            .iter()
            .flatten()
            .filter(|v| !self.skipped.contains(v))
        {
            if let Some(p) = scalar_pointer(*v, layout) {
                *through.entry(p).or_insert(0) += 1;
            }
        }
        let accessed_only = |uses: &FxHashMap<Value<'m>, u32>, v: &Value<'m>| {
            uses.get(v).is_some_and(|n| Some(n) == through.get(v))
        };
        let mut direct: FxHashMap<Value<'m>, u32> = FxHashMap::default();
        for v in self
            .instructions
            .iter()
            .flatten()
            .copied()
            .collect::<Vec<_>>()
        {
            if v.opcode() != Some(Opcode::Gep)
                || self.skipped.contains(&v)
                || !accessed_only(&self.uses, &v)
            {
                continue;
            }
            if let Some(address) = self.address_of(v, layout) {
                if address.index.is_none() {
                    *direct.entry(address.base).or_insert(0) += 1;
                }
                self.addresses.insert(v, address);
                self.skipped.insert(v);
            }
        }
        for v in self.variables.keys().copied().collect::<Vec<_>>() {
            let known = through.get(&v).unwrap_or(&0) + direct.get(&v).unwrap_or(&0);
            if self.uses.get(&v) == Some(&known) {
                self.only_accessed.insert(v);
                self.skipped.insert(v);
            }
        }
    }

    fn fuse_compares(&mut self) {
        for block in &self.instructions {
            let Some(last) = block.last() else { continue };
            let Some(condition) = last
                .condition()
                .filter(|_| last.opcode() == Some(Opcode::Br))
            else {
                continue;
            };
            let is_compare = matches!(condition.opcode(), Some(Opcode::ICmp | Opcode::FCmp))
                && condition.operand(0).is_some_and(|o| {
                    !matches!(o.ty().kind(), TypeKind::Int(65..) | TypeKind::Vector)
                        && !matches!(
                            o.ty().kind(),
                            TypeKind::Half | TypeKind::BFloat | TypeKind::X86Fp80 | TypeKind::Fp128
                        )
                });
            if is_compare && self.uses.get(&condition) == Some(&1) && block.contains(&condition) {
                self.fused.insert(condition);
                self.skipped.insert(condition);
            }
        }
    }

    /// Adds the local values an instruction's code reads: its operands, with those that have no slots replaced by theirs.
    pub fn reads(&self, v: Value<'m>, all: &mut Vec<Value<'m>>) {
        operands(v).for_each(|o| self.read(o, all));
    }

    /// One of them, which may have no slots itself.
    fn read(&self, v: Value<'m>, all: &mut Vec<Value<'m>>) {
        if let Some(a) = self.addresses.get(&v) {
            self.read(a.base, all);
            if let Some((index, _)) = a.index {
                self.read(index, all);
            }
        } else if self.fused.contains(&v) {
            self.reads(v, all);
        } else if is_local(v) && !self.only_accessed.contains(&v) {
            all.push(v);
        }
    }
}

/// Local values among the operands of an instruction.
pub(super) fn operands(v: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    (0..v.operand_count())
        .filter_map(move |i| v.operand(i))
        .filter(|o| is_local(*o))
}
