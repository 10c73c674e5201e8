//! Directed graphs: orders, dominators, strongly connected components. Nodes are numbers.

/// A graph as successor lists.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub succs: Vec<Vec<u32>>,
}

impl Graph {
    pub fn len(&self) -> usize {
        self.succs.len()
    }

    /// Does a component ([`components`]) have a cycle?
    pub fn is_loop(&self, component: &[u32]) -> bool {
        component.len() > 1 || self.succs[component[0] as usize].contains(&component[0])
    }

    /// Predecessor lists; an edge that occurs twice is listed twice.
    pub fn preds(&self) -> Vec<Vec<u32>> {
        let mut preds = vec![Vec::new(); self.len()];
        for (from, succs) in self.succs.iter().enumerate() {
            for &to in succs {
                preds[to as usize].push(from as u32);
            }
        }
        preds
    }

    /// Reverse postorder from `root`; nodes that it does not reach are absent.
    pub fn reverse_postorder(&self, root: u32) -> Vec<u32> {
        let mut seen = vec![false; self.len()];
        let mut order = Vec::new();
        // (node, next successor to visit), last successor first so that the first comes first in the order.
        let mut stack = vec![(root, self.succs[root as usize].len())];
        seen[root as usize] = true;
        while let Some((node, rest)) = stack.last_mut() {
            if *rest == 0 {
                order.push(*node);
                stack.pop();
                continue;
            }
            *rest -= 1;
            let next = self.succs[*node as usize][*rest];
            if !std::mem::replace(&mut seen[next as usize], true) {
                stack.push((next, self.succs[next as usize].len()));
            }
        }
        order.reverse();
        order
    }
}

/// Immediate dominators by Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001).
pub struct Dominators {
    /// Position of each node in reverse postorder; `u32::MAX` if unreachable.
    pub position: Vec<u32>,
    pub order: Vec<u32>,
    /// Immediate dominator of each node; the root's is itself.
    pub idom: Vec<u32>,
}

impl Dominators {
    pub fn new(graph: &Graph, root: u32) -> Dominators {
        let order = graph.reverse_postorder(root);
        let mut position = vec![u32::MAX; graph.len()];
        for (i, &node) in order.iter().enumerate() {
            position[node as usize] = i as u32;
        }
        let preds = graph.preds();
        let mut idom = vec![u32::MAX; graph.len()];
        idom[root as usize] = root;
        let mut changed = true;
        while changed {
            changed = false;
            for &node in &order[1..] {
                let mut new = u32::MAX;
                for &pred in &preds[node as usize] {
                    if idom[pred as usize] == u32::MAX {
                        continue;
                    }
                    new = if new == u32::MAX { pred } else { intersect(&idom, &position, new, pred) };
                }
                if idom[node as usize] != new {
                    idom[node as usize] = new;
                    changed = true;
                }
            }
        }
        Dominators { position, order, idom }
    }

    /// Nodes that each node immediately dominates, in reverse postorder.
    pub fn children(&self) -> Vec<Vec<u32>> {
        let mut children = vec![Vec::new(); self.idom.len()];
        for &node in self.order.iter().skip(1) {
            children[self.idom[node as usize] as usize].push(node);
        }
        children
    }
}

fn intersect(idom: &[u32], position: &[u32], mut a: u32, mut b: u32) -> u32 {
    while a != b {
        while position[a as usize] > position[b as usize] {
            a = idom[a as usize];
        }
        while position[b as usize] > position[a as usize] {
            b = idom[b as usize];
        }
    }
    a
}

/// Strongly connected components of the subgraph of nodes for which `part[node] == id` (Tarjan 1972, iterative).
pub fn components(graph: &Graph, nodes: &[u32], part: &[u32], id: u32) -> Vec<Vec<u32>> {
    const UNSEEN: u32 = u32::MAX;
    let mut index = rustc_hash::FxHashMap::default();
    for (i, &node) in nodes.iter().enumerate() {
        index.insert(node, i);
    }
    let mut number = vec![UNSEEN; nodes.len()];
    let mut low = vec![0u32; nodes.len()];
    let mut on_stack = vec![false; nodes.len()];
    let (mut stack, mut result, mut counter) = (Vec::new(), Vec::new(), 0u32);
    for start in 0..nodes.len() {
        if number[start] != UNSEEN {
            continue;
        }
        let mut work = vec![(start, 0usize)];
        while let Some(&mut (v, ref mut next)) = work.last_mut() {
            if *next == 0 {
                number[v] = counter;
                low[v] = counter;
                counter += 1;
                stack.push(v);
                on_stack[v] = true;
            }
            let succs = &graph.succs[nodes[v] as usize];
            let mut child = None;
            while *next < succs.len() {
                let to = succs[*next];
                *next += 1;
                if part[to as usize] != id {
                    continue;
                }
                let w = index[&to];
                if number[w] == UNSEEN {
                    child = Some(w);
                    break;
                }
                if on_stack[w] {
                    low[v] = low[v].min(number[w]);
                }
            }
            if let Some(w) = child {
                work.push((w, 0));
                continue;
            }
            if succs.is_empty() {
                *next = 1;
            }
            work.pop();
            if let Some(&(parent, _)) = work.last() {
                low[parent] = low[parent].min(low[v]);
            }
            if low[v] == number[v] {
                let mut component = Vec::new();
                loop {
                    let w = stack.pop().expect("v is on the stack");
                    on_stack[w] = false;
                    component.push(nodes[w]);
                    if w == v {
                        break;
                    }
                }
                component.sort_unstable();
                result.push(component);
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(u32, u32)], n: usize) -> Graph {
        let mut graph = Graph { succs: vec![Vec::new(); n] };
        for &(from, to) in edges {
            graph.succs[from as usize].push(to);
        }
        graph
    }

    #[test]
    fn dominators_of_a_diamond_with_a_loop() {
        let g = graph(&[(0, 1), (0, 2), (1, 3), (2, 3), (3, 0), (3, 4)], 6);
        let d = Dominators::new(&g, 0);
        assert_eq!(&d.idom[1..5], &[0, 0, 0, 3]);
        assert_eq!(d.position[5], u32::MAX);
    }

    #[test]
    fn components_find_nested_cycles_once() {
        let g = graph(&[(0, 1), (1, 2), (2, 1), (2, 3), (3, 3)], 4);
        let mut found = components(&g, &[0, 1, 2, 3], &[0; 4], 0);
        found.sort();
        assert_eq!(found, [vec![0], vec![1, 2], vec![3]]);
    }
}
