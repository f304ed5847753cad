//! Where time will be spent: a guess from the shape of functions, before anything ran.
//!
//! It decides nothing but effort: which functions deserve slow compilation where compiling everything well would take
//! longer than running it. Numeric code is what guests spend their time in, and it can be told by its looks:
//!
//! - the attribute `hot`, which a programmer can set;
//! - vector code or floating-point arithmetic, more than in passing: in a loop, or a lot of it, and in either case a
//!   good part of the function (hash tables use a vector here and there, too);
//! - functions of moderate size that such functions call.
//!
//! The attribute `cold` wins over all of it.

use llvm::{Module, Shape};
use std::collections::{HashMap, HashSet};

/// Numeric instructions in a function without a loop that make it hot.
const NUMERIC: usize = 8;
/// One instruction in so many must be numeric.
const DENSITY: usize = 16;
/// Largest callee, in instructions, that becomes hot with its caller.
const CALLEE: usize = 300;
/// Largest function, in instructions, that is copied where it may be inlined.
const SMALL: usize = 60;

/// A program's functions by heat.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heat {
    /// Size in instructions, and name.
    pub hot: Vec<(usize, String)>,
    pub cold: Vec<String>,
    /// Of both: small enough to be copied where they are called.
    pub small: Vec<String>,
}

fn looks_hot(shape: &Shape) -> bool {
    let numeric = shape.vectors + shape.floats;
    numeric * DENSITY >= shape.instructions
        && (numeric >= NUMERIC || (shape.has_loop && numeric > 0))
}

/// Sorts the functions of a module.
pub(crate) fn guess(module: &Module<'_>) -> Heat {
    let mut shapes: HashMap<String, Shape> = HashMap::new();
    let mut hot: HashSet<String> = HashSet::new();
    let mut never: HashSet<String> = HashSet::new();
    for f in module.functions().iter().filter(|f| !f.is_declaration()) {
        let (name, shape) = (f.name(), f.shape());
        if f.has_attribute("cold") {
            never.insert(name.clone());
        } else if f.has_attribute("hot") || looks_hot(&shape) {
            hot.insert(name.clone());
        }
        shapes.insert(name, shape);
    }
    let callees: Vec<String> = hot
        .iter()
        .flat_map(|name| &shapes[name].callees)
        .filter(|c| !never.contains(*c) && shapes.get(*c).is_some_and(|s| s.instructions <= CALLEE))
        .cloned()
        .collect();
    hot.extend(callees);

    let mut heat = Heat::default();
    for (name, shape) in shapes {
        if shape.instructions <= SMALL && !never.contains(&name) {
            heat.small.push(name.clone());
        }
        if hot.contains(&name) {
            heat.hot.push((shape.instructions, name))
        } else {
            heat.cold.push(name)
        }
    }
    // The same program gives the same units.
    heat.hot.sort();
    heat.cold.sort();
    heat.small.sort();
    heat
}

#[cfg(test)]
mod tests {
    use super::*;
    use llvm::Context;

    #[test]
    fn numeric_functions_are_hot() {
        let text = "
define i32 @plain(i32 %x) { ret i32 %x }
define void @marked() hot { ret void }
define float @sum(ptr %p, i32 %n) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %j, %loop ]
  %s = phi float [ 0.0, %entry ], [ %t, %loop ]
  %x = load float, ptr %p
  %y = call float @scale(float %x)
  %t = fadd float %s, %y
  %j = add i32 %i, 1
  %more = icmp ult i32 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret float %t
}
define float @scale(float %x) {
  call void @fail()
  ret float %x
}
define void @fail() cold { ret void }";
        let context = Context::new();
        let module = Module::from_ir(&context, "m", text).unwrap();
        let heat = guess(&module);
        let hot: Vec<&str> = heat.hot.iter().map(|h| h.1.as_str()).collect();
        assert_eq!(hot, ["marked", "scale", "sum"]);
        assert_eq!(heat.cold, ["fail", "plain"]);
        assert_eq!(heat.small, ["marked", "plain", "scale", "sum"]);
    }
}
