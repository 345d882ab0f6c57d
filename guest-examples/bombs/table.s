# Grows a table of references, by ten million at a time, until the host says no; then ends.
	.tabletype references, funcref
	.globl references
references:
	.globl _start
	.export_name _start, _start
	.section .text._start,"",@
_start:
	.functype _start () -> ()
	loop
	ref.null_func
	i32.const 10000000
	table.grow references
	i32.const -1
	i32.ne
	br_if 0
	end_loop
	end_function
