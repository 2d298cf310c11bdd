//! What goes wrong, and where: every effect of a process asks its fate first.

use std::collections::BTreeMap;

/// Where a process touches the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// A call of a platform that only looks.
    Look,
    /// A page of a list.
    List,
    /// One that changes something.
    Write,
    /// A question to the remote.
    Ask,
    /// A push.
    Push,
    /// Something on the clone's own disk.
    Disk,
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies, and nothing has happened.
    DieBefore,
    /// It happens, and the process dies before it hears of it.
    DieAfter,
    /// Nobody was reached.
    NotConnected,
    /// The connection breaks, and nothing has happened.
    Lost,
    /// It happens, and the connection breaks.
    LostAfter,
    /// No answer until the time is up, and nothing has happened.
    Late,
    /// It happens, and no answer comes.
    LateAfter,
    /// An answer with this status, and nothing has happened.
    Status(u16),
    /// It happens, and the answer says otherwise.
    StatusAfter(u16),
    /// A page of a proxy.
    Page,
    /// It happens, and half of the answer arrives, well formed as HTTP.
    HalfAfter,
    /// A list that lies.
    Lie(Lie),
    /// The remote does not want it.
    Refused,
    /// Somebody else pushes first.
    Overtaken,
    /// Somebody presses Ctrl-C.
    Interrupt,
}

/// How a page of a list lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It is empty, and says that it is the end.
    Empty,
    /// It lacks its last object, and says that it is the end.
    Short,
    /// It shows an object twice.
    Twice,
    /// It lacks its first object.
    Hidden,
}

/// Every fault that can happen at a point, besides dying.
pub fn answers(point: Point) -> &'static [Fault] {
    use Fault::{
        HalfAfter, Interrupt, Late, LateAfter, Lie, Lost, LostAfter, NotConnected, Overtaken, Page, Refused, Status,
        StatusAfter,
    };
    match point {
        Point::Look => &[
            NotConnected,
            Lost,
            Late,
            Status(401),
            Status(403),
            Status(429),
            Status(500),
            Status(503),
            Page,
            HalfAfter,
        ],
        Point::List => &[
            NotConnected,
            Lost,
            Late,
            Status(401),
            Status(403),
            Status(429),
            Status(500),
            Status(503),
            Page,
            HalfAfter,
            Lie(self::Lie::Empty),
            Lie(self::Lie::Short),
            Lie(self::Lie::Twice),
            Lie(self::Lie::Hidden),
        ],
        Point::Write => &[
            NotConnected,
            Lost,
            LostAfter,
            Late,
            LateAfter,
            Status(400),
            Status(401),
            Status(403),
            Status(404),
            Status(409),
            Status(429),
            Status(500),
            Status(503),
            StatusAfter(500),
            StatusAfter(502),
            Page,
            HalfAfter,
            Interrupt,
        ],
        Point::Ask => &[Lost, Late, Interrupt],
        Point::Push => &[Lost, LostAfter, Late, LateAfter, Refused, Overtaken],
        Point::Disk => &[],
    }
}

/// Every way to die at a point.
pub fn deaths(point: Point) -> &'static [Fault] {
    match point {
        // Nobody can tell whether a look happened, or when something on the own disk did: the next point is right behind.
        Point::Look | Point::List | Point::Ask | Point::Disk => &[Fault::DieBefore],
        Point::Write | Point::Push => &[Fault::DieBefore, Fault::DieAfter],
    }
}

/// What is in store for one process.
#[derive(Debug, Clone, Default)]
pub struct Fate {
    /// Faults by the number of the point.
    at: BTreeMap<usize, Fault>,
    /// How many points of 1,000 have a fault, and how many of 1,000 faults are deadly.
    rates: Option<(u32, u32)>,
}

impl Fate {
    pub fn calm() -> Self {
        Self::default()
    }

    pub fn at(number: usize, fault: Fault) -> Self {
        Self {
            at: BTreeMap::from([(number, fault)]),
            rates: None,
        }
    }

    pub fn by_chance(faults: u32, deadly: u32) -> Self {
        Self {
            at: BTreeMap::new(),
            rates: Some((faults, deadly)),
        }
    }

    /// `roll` gives a number below its argument.
    pub fn decide(&self, number: usize, point: Point, mut roll: impl FnMut(u32) -> u32) -> Option<Fault> {
        if let Some(fault) = self.at.get(&number) {
            return Some(*fault);
        }
        let (faults, deadly) = self.rates?;
        if roll(1000) >= faults {
            return None;
        }
        let deadly = roll(1000) < deadly;
        let choice = if deadly { deaths(point) } else { answers(point) };
        choice
            .get(roll(u32::try_from(choice.len()).unwrap().max(1)) as usize)
            .copied()
    }
}
