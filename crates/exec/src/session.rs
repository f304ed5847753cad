//! One run: the engine, what it is to call, and what is written in the end.

use crate::error::Error;
use crate::program::Plan;
use crate::symbols;
use engine::Cpu;
use engine::interp::{Image, Options};
use engine::tier::Config;
use engine_options::Outputs;
use llvm::Module;

/// A program that is ready to run.
pub struct Session {
    _image: Image,
    _outputs: Outputs,
    /// Addresses of functions to run before `main`, in order.
    pub constructors: Vec<usize>,
    /// Address of `main`.
    pub main: usize,
    /// Addresses of functions to run at the end, in order.
    pub destructors: Vec<usize>,
}

impl Session {
    /// Makes the program ready.
    pub fn start(
        module: &mut Module<'_>,
        plan: Plan,
        _config: Config,
        outputs: Outputs,
    ) -> Result<Self, Error> {
        let image = Image::new(
            module,
            &Cpu::detect(),
            std::sync::Arc::new(symbols::resolve),
            Options::default(),
        )?;
        let address = |name: &String| {
            image.callable(name).ok_or_else(|| Error::Constructor {
                list: "the list of constructors and destructors",
                function: name.clone(),
            })
        };
        Ok(Session {
            constructors: plan
                .constructors
                .iter()
                .map(address)
                .collect::<Result<_, _>>()?,
            destructors: plan
                .destructors
                .iter()
                .map(address)
                .collect::<Result<_, _>>()?,
            main: image.callable("main").ok_or(Error::NoMain)?,
            _image: image,
            _outputs: outputs,
        })
    }

    /// What is to be done when the program has ended.
    pub fn finish(&self) {}
}
