//! Generated from `wit/world.wit`.

wit_bindgen::generate!({
    world: "kernel",
    path: "wit",
    generate_all,
});
