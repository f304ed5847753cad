//! What cannot be entered or left in its middle is refused with the reason, and nothing changes.

use llvm::{Context, Error, Module, Nested, OsrValue, PollLoop};

const LOOP: &str = "
head:
  %i = phi i64 [ 0, %entry ], [ %j, %head ]
  %j = add i64 %i, 1
  %c = icmp ult i64 %j, %n
  br i1 %c, label %head, label %exit
exit:
  ret i64 %i
}
";

/// Why neither entry nor polls can be made for `define i64 @f(%n) <attributes> { entry: <entry> br %head ...`.
fn refused(declarations: &str, attributes: &str, entry: &str) -> String {
    let context = Context::new();
    let text = format!(
        "{declarations}
define i64 @f(i64 %n) {attributes} {{
entry:
{entry}
  br label %head
{LOOP}"
    );
    let mut module = Module::from_ir(&context, "m", &text).unwrap();
    module.verify().unwrap();
    let before = module.to_ir();
    let Err(Error::Transform { message, .. }) = module.make_osr_entry("f", 1, "g", &[]) else {
        panic!("made: {}", module.to_ir())
    };
    if module.osr_loops("f").is_err() {
        let Err(Error::Transform { message: same, .. }) = module.add_polls("f", &[], "hook", 1)
        else {
            panic!("polls")
        };
        assert_eq!(message, same);
    }
    assert_eq!(module.to_ir(), before);
    message
}

fn says(message: String, part: &str) {
    assert!(message.contains(part), "{message:?} lacks {part:?}");
}

#[test]
fn functions_that_keep_their_frame() {
    says(
        refused(
            "declare i32 @setjmp(ptr) returns_twice\n@b = global [32 x i64] zeroinitializer",
            "",
            "%r = call i32 @setjmp(ptr @b) returns_twice",
        ),
        "returns twice",
    );
    says(
        refused(
            "declare i32 @__gxx_personality_v0(...)",
            "personality ptr @__gxx_personality_v0",
            "",
        ),
        "personality",
    );
    says(refused("", "presplitcoroutine", ""), "coroutine");
    says(
        refused(
            "define i64 @g2(i64 %n) {\n %r = musttail call i64 @f(i64 %n)\n ret i64 %r\n}\n",
            "",
            "",
        ),
        "needed at the loop header",
    );
}

#[test]
fn addresses_of_blocks() {
    says(
        refused("@t = global ptr blockaddress(@f, %head)", "", ""),
        "address of one of its blocks",
    );
}

#[test]
fn unknown_values_are_named() {
    says(refused("", "", ""), "%i = phi i64");
}

fn simple<'c>(context: &'c Context) -> Module<'c> {
    let text = format!("define i64 @f(i64 %n) {{\nentry:\n  br label %head\n{LOOP}");
    Module::from_ir(context, "m", &text).unwrap()
}

#[test]
fn lists_that_do_not_fit() {
    let context = Context::new();
    let mut module = simple(&context);
    let before = module.to_ir();
    let all = module.osr_loops("f").unwrap().remove(0);
    let why = |r: Result<(), Error>| match r {
        Err(Error::Transform { message, .. }) => message,
        other => panic!("{other:?}"),
    };
    says(
        why(module.make_osr_entry("f", 0, "g", &all.live)),
        "no loop header",
    );
    says(why(module.make_osr_entry("f", 3, "g", &all.live)), "0 to 2");
    says(
        why(module.make_osr_entry("f", 1, "f", &all.live)),
        "exists already",
    );
    let wrong = [OsrValue {
        value: 99,
        offset: 0,
    }];
    says(
        why(module.make_osr_entry("f", 1, "g", &wrong)),
        "no value 99",
    );
    assert!(matches!(
        module.make_osr_entry("h", 1, "g", &[]),
        Err(Error::NoFunction { .. })
    ));
    let poll = |header, bytes, live: &[OsrValue]| PollLoop {
        header,
        id: 1,
        live: live.to_vec(),
        buffer_bytes: bytes,
        rounds: 1,
    };
    for (l, part) in [
        (poll(0, 64, &all.live), "no loop header"),
        (poll(9, 64, &all.live), "0 to 2"),
        (poll(2, 64, &all.live), "no later block leads there"),
        (poll(1, 8, &all.live), "ends before this value"),
        (poll(1, 64, &wrong), "no value 99"),
        // %j is computed after the header's start.
        (
            poll(
                1,
                64,
                &[OsrValue {
                    value: 3,
                    offset: 0,
                }],
            ),
            "%j = add",
        ),
        // The jump has no value.
        (
            poll(
                1,
                64,
                &[OsrValue {
                    value: 5,
                    offset: 0,
                }],
            ),
            "no place in slots",
        ),
    ] {
        says(why(module.add_polls("f", &[l], "hook", 100)), part);
    }
    says(
        why(module.add_polls("f", &[poll(1, 64, &all.live)], "f", 100)),
        "something else",
    );
    assert_eq!(module.to_ir(), before);
    module
        .add_polls("f", &[poll(1, 64, &all.live)], "hook", 100)
        .unwrap();
    module.verify().unwrap();
}

#[test]
fn loops_and_their_values_are_found() {
    let context = Context::new();
    let module = simple(&context);
    let loops = module.osr_loops("f").unwrap();
    assert_eq!(loops.len(), 1);
    assert_eq!(loops[0].header, 1);
    // %n and the phi; entry's jump has number 1.
    let list: Vec<(u32, u32)> = loops[0].live.iter().map(|v| (v.value, v.offset)).collect();
    assert_eq!(list, [(0, 0), (2, 8)]);
    assert_eq!(loops[0].buffer_bytes, 16);
    assert!(matches!(
        module.osr_loops("nobody"),
        Err(Error::NoFunction { .. })
    ));
}

#[test]
fn loops_are_found_with_those_around_them() {
    let text = "
declare void @g()
define void @f(i1 %c, i64 %n, ptr %p) {
entry:
  br i1 %c, label %outer, label %left
outer:
  br label %inner
inner:
  br i1 %c, label %inner, label %next
next:
  call void @g()
  %x = call i64 @llvm.ctpop.i64(i64 %n)
  call void @llvm.memset.p0.i64(ptr %p, i8 0, i64 8, i1 false)
  call void @llvm.memset.p0.i64(ptr %p, i8 0, i64 %n, i1 false)
  br i1 %c, label %outer, label %exit
left:
  br i1 %c, label %right, label %exit
right:
  br i1 %c, label %left, label %exit
exit:
  ret void
}";
    let context = Context::new();
    let module = Module::from_ir(&context, "m", text).unwrap();
    let nested = |header, around, instructions, calls| Nested {
        header,
        around,
        instructions,
        calls,
    };
    let mut nest = module.loop_nest("f").unwrap();
    let inner = nest.iter().position(|l| l.header == 2);
    let outer = nest.iter().position(|l| l.header == 1);
    assert!(outer < inner, "{nest:?}");
    nest.sort_by_key(|l| l.header);
    let all = [
        // The call of @g, and the filling of %n bytes.
        nested(1, None, 6, 2),
        nested(2, Some(1), 1, 0),
        nested(4, None, 2, 0),
    ];
    assert_eq!(nest, all);
    assert!(matches!(
        module.loop_nest("nobody"),
        Err(Error::NoFunction { .. })
    ));
    // With a second way in it is no loop of this kind, and polls all the same.
    let text = text.replace(
        "ret void",
        "br i1 %c, label %right, label %end\nend:\n  ret void",
    );
    let mut module = Module::from_ir(&context, "m", &text).unwrap();
    assert_eq!(module.loop_nest("f").unwrap().len(), 2);
    let irreducible = module.osr_loops("f").unwrap();
    let all: Vec<PollLoop> = irreducible
        .into_iter()
        .map(|l| PollLoop {
            header: l.header,
            id: 0,
            live: l.live,
            buffer_bytes: l.buffer_bytes,
            rounds: 1,
        })
        .collect();
    module.add_polls("f", &all, "hook", 100).unwrap();
    module.verify().unwrap();
    assert_eq!(
        module
            .to_ir()
            .matches("call preserve_allcc ptr @hook")
            .count(),
        all.len()
    );
}
