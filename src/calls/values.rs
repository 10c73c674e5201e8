//! What the general-purpose registers may hold, as far as numbers of system calls are concerned.

use std::collections::{BTreeMap, BTreeSet};

use hoist_x86::iced_x86::{
    ConditionCode, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

/// One thing that a register may hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Value {
    Constant(u32),
    /// What was in this register when the function was entered.
    Parameter(Register),
}

/// All that a register may hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Values {
    Any,
    These(BTreeSet<Value>),
}

/// More than these are as good as any.
const MOST: usize = 16;

impl Values {
    fn one(value: Value) -> Values {
        Values::These(BTreeSet::from([value]))
    }

    /// Also what the other may be; whether that is more.
    fn join(&mut self, other: &Values) -> bool {
        let before = self.clone();
        match (&mut *self, other) {
            (Values::These(these), Values::These(others)) if these.union(others).count() <= MOST => these.extend(others),
            _ => *self = Values::Any,
        }
        *self != before
    }
}

/// The registers of which something is known, in their 64-bit names. The default: of none.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct State(BTreeMap<Register, Values>);

/// Where numbers are passed: the calling conventions of C, and of Go and the kernel.
const PARAMETERS: [Register; 7] =
    [Register::RAX, Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];
/// What a call of a function leaves alone.
const PRESERVED: [Register; 6] = [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];
/// What a system call changes.
const CLOBBERED: [Register; 3] = [Register::RAX, Register::RCX, Register::R11];

impl State {
    /// At a function's entry.
    pub fn at_entry() -> State {
        State(PARAMETERS.into_iter().map(|register| (register, Values::one(Value::Parameter(register)))).collect())
    }

    pub fn get(&self, register: Register) -> Values {
        self.0.get(&register.full_register()).cloned().unwrap_or(Values::Any)
    }

    /// Also what holds on another way; whether that is more.
    pub fn join(&mut self, other: &State) -> bool {
        let mut changed = false;
        for (register, values) in &mut self.0 {
            changed |= values.join(&other.get(*register));
        }
        self.0.retain(|_, values| *values != Values::Any);
        changed
    }

    /// After an instruction.
    pub fn step(&mut self, instr: &Instruction) {
        match (instr.flow_control(), instr.mnemonic()) {
            (FlowControl::Call, Mnemonic::Syscall) => CLOBBERED.iter().for_each(|register| _ = self.0.remove(register)),
            (FlowControl::Call | FlowControl::IndirectCall, _) => self.0.retain(|register, _| PRESERVED.contains(register)),
            _ => match self.result(instr) {
                Some((register, values)) => self.set(register, values),
                None => self.forget_written(instr),
            },
        }
    }

    fn set(&mut self, register: Register, values: Values) {
        match values {
            Values::Any => self.0.remove(&register.full_register()),
            _ => self.0.insert(register.full_register(), values),
        };
    }

    /// The register that a move writes, and what it holds then; none for another instruction.
    fn result(&self, instr: &Instruction) -> Option<(Register, Values)> {
        let to = instr.op0_register();
        if instr.op0_kind() != OpKind::Register || !(to.is_gpr32() || to.is_gpr64()) {
            return None;
        }
        let from = || (instr.op1_kind() == OpKind::Register).then(|| instr.op1_register());
        let values = match instr.mnemonic() {
            Mnemonic::Mov => match instr.op1_kind() {
                OpKind::Register => self.get(instr.op1_register()),
                OpKind::Memory => Values::Any,
                _ => Values::one(Value::Constant(instr.immediate(1) as u32)),
            },
            Mnemonic::Movsxd => from().map_or(Values::Any, |from| self.get(from)),
            Mnemonic::Xor | Mnemonic::Sub if from() == Some(to) => Values::one(Value::Constant(0)),
            // CMOVcc: of what has a condition, it alone writes a register of this size.
            _ if instr.condition_code() != ConditionCode::None => {
                let mut values = self.get(to);
                values.join(&from().map_or(Values::Any, |from| self.get(from)));
                values
            }
            _ => return None,
        };
        Some((to, values))
    }

    fn forget_written(&mut self, instr: &Instruction) {
        let mut factory = InstructionInfoFactory::new();
        let writes =
            |access| matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite);
        for used in factory.info(instr).used_registers().iter().filter(|used| writes(used.access())) {
            self.0.remove(&used.register().full_register());
        }
    }
}
