# One function of more than a million instructions. What is to be tried is the compiler; the function, if it ever
# runs, ends.
	.globl _start
	.export_name _start, _start
	.section .text._start,"",@
_start:
	.functype _start () -> ()
	.local i64
	.rept 250000
	# What is not known before it runs cannot be worked out by the compiler.
	memory.size 0
	i64.extend_i32_u
	local.get 0
	i64.xor
	i64.const 0x5851f42d4c957f2d
	i64.mul
	local.set 0
	.endr
	local.get 0
	i64.eqz
	if
	unreachable
	end_if
	end_function
