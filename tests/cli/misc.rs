//! Small commands.

use crate::support::{Server, Space, server};

#[test]
fn smoke() {
    let space = Space::with(&["ana", "bo"]);
    println!("{}", space.upa(&["validate"]));
    println!("{}", space.upa(&["plan"]));
    println!("{}", space.apply());
    space.settled();
    println!("{}", space.read("tenants/ana.lock"));
    println!("{}", space.git(&["log", "-1", "--stat", "--format=%an %ae%n%B"]));
    server::on(&space, |server: &Server| assert_eq!(server.workflows().len(), 4));
}
