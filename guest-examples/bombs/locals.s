# A function with 49,152 local variables, of the fifty thousand that WebAssembly allows, nearly all of which change in
# a loop. What is to be tried is the compiler; the function, if it ever runs, ends after one round.
	.macro double times, types:vararg
	.if \times
	double (\times-1), \types, \types
	.else
	.local \types
	.endif
	.endm

	# Each use of a macro has the next number, and those from 0 went into the doubling.
	.macro change
	memory.size 0
	i64.extend_i32_u
	local.get \@
	i64.add
	local.set \@
	.endm

	.globl _start
	.export_name _start, _start
	.section .text._start,"",@
_start:
	.functype _start () -> ()
	double 12, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64
	loop
	.rept 49000
	change
	.endr
	local.get 20000
	i64.eqz
	br_if 0
	end_loop
	end_function
