//! One run: the engine, what it is to call, and what is written in the end.

use crate::error::Error;
use crate::program::Plan;
use crate::symbols;
use engine::Cpu;
use engine::profile::TextOptions;
use engine::tier::{Config, Engine};
use engine_options::{Content, Outputs};
use llvm::Module;
use std::sync::Arc;

/// A program that is ready to run.
pub struct Session {
    /// It runs the program.
    pub engine: Engine,
    outputs: Outputs,
    /// Addresses of functions to run before `main`, in order.
    pub constructors: Vec<usize>,
    /// Address of `main`.
    pub main: usize,
    /// Addresses of functions to run at the end, in order.
    pub destructors: Vec<usize>,
}

impl Session {
    /// Makes the program ready. Starts the engine's threads.
    pub fn start(
        module: &mut Module<'_>,
        plan: &Plan,
        config: Config,
        outputs: Outputs,
    ) -> Result<Self, Error> {
        let engine = Engine::start(module, &Cpu::detect(), Arc::new(symbols::resolve), config)?;
        let find = |names: &[String]| {
            let address = |name: &String| {
                engine.address(name).ok_or_else(|| Error::Lost {
                    function: name.clone(),
                })
            };
            names.iter().map(address).collect::<Result<Vec<_>, _>>()
        };
        Ok(Session {
            constructors: find(&plan.constructors)?,
            destructors: find(&plan.destructors)?,
            main: engine.address("main").ok_or(Error::NoMain)?,
            engine,
            outputs,
        })
    }

    /// Writes what was asked for. The compiler has stopped.
    pub fn write_outputs(&self) -> Result<(), Error> {
        let engine = &self.engine;
        Ok(self.outputs.write(|content| match content {
            Content::Report => engine.report().to_text(TextOptions {
                details: true,
                ..TextOptions::default()
            }),
            Content::ReportJson => engine.report().to_json(),
            Content::Trace => engine.trace_json(),
        })?)
    }
}
