#!/bin/sh
# A guest that speaks 9P to the device itself, with no file system of a kernel's in between: ways out of a shared
# directory, and files of the host that must not be opened.
# Time limit: 300 s
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

hostile=build/guests/hostile_kernel.elf
said() { tr -d '\r' <"$scratch/out" | grep -qxF "$1"; }

# What the guest asks for by name (guests/hostile_kernel/share.c).
data=$scratch/data outside=$scratch/outside
fill() {
	rm -rf "$data"
	mkdir -p "$data/dir" "$data/swapped"
	echo inside >"$data/file"
	echo inner >"$data/dir/inner"
	echo inside >"$data/swapped/file"
	mkfifo "$data/fifo"
	ln -s ../outside/file "$data/link"
	ln -s ../outside/missing "$data/nothing"
	ln -s .. "$data/up"
	ln -s "$outside" "$data/away"
	# Not every user may make one; another name of the FIFO is refused as well.
	mknod "$data/device" c 1 3 2>/dev/null || ln "$data/fifo" "$data/device"
	"$listen" "$data/socket"
}
# A socket stays when whoever bound it is gone: that is what ring1's console leaves behind a kill.
listen=$scratch/listen
cat >"$listen" <<'HOST'
#!/bin/sh
build/ring1 run -k build/guests/hostile_kernel.elf -m 64M --no-defaults --control=off --console "unix:$1" -a do=sleep </dev/null >/dev/null 2>&1 &
until [ -S "$1" ]; do sleep 0.1; done
kill -KILL $!
wait $! 2>/dev/null
HOST
chmod +x "$listen"
mkdir "$outside"
echo outside >"$outside/file"
listing() { find "$1" -printf '%p %l %m %s %T@ %C@ %u\n' | sort; }
state() { listing "$outside" && cat "$outside/file"; }
specials() { find "$data" -type b -o -type c -o -type p -o -type s | wc -l; }
raw() { limited "$1" "$scratch/out" "$ring1" run -k "$hostile" -m 64M --no-defaults -a "$2" --share "$3"; }

# ---- everything once ----

fill
before=$(state)
# A link to what is outside where a directory is, and back, all the time.
(
	cd "$data" || exit
	ln -s ../outside aside
	while [ ! -e "$scratch/stop" ]; do
		mv swapped other && mv aside swapped && mv swapped aside && mv other swapped
	done
) 2>/dev/null &
swapper=$!
raw 120 do=share "data=$data"
touch "$scratch/stop"
wait $swapper
check "the guest has an answer to everything it asked (status $status, $ended)" [ "$status $ended" = '0 itself' ]
check "... it got as far as its end" said 'hostile: share ends'
tr -d '\r' <"$scratch/out" | grep '^share: ' >"$scratch/shares"
while read -r _ verdict what; do check "$what" [ "$verdict" = ok ]; done <"$scratch/shares"
check "all was tried: $(wc -l <"$scratch/shares")" [ "$(wc -l <"$scratch/shares")" = 69 ]
[ "$ended" = itself ] || show "$scratch/out"
check "nothing beside the shared directory was changed" [ "$before" = "$(state)" ]
check "... or made" [ "$(find "$scratch" -name 'escape*' -o -name here -o -name made | wc -l)" = 0 ]
check "a file has no rights on the host that its user did not give it" [ "$(stat -c %a "$data/file")" = 777 ]

# ---- read-only: nothing can be changed at all ----

fill
inside=$(listing "$data")
raw 120 "do=messages seed=5 rounds=5000" "data=$data,ro"
check "5000 random messages to a read-only share (status $status, $ended)" [ "$status $ended" = '0 itself' ]
check "... have changed nothing" [ "$inside" = "$(listing "$data")" ]

# ---- at random ----

for seed in 1 2 3; do
	fill
	inside=$(listing "$data") special=$(specials)
	raw 120 "do=messages seed=$seed rounds=5000" "data=$data"
	check "5000 random messages, seed $seed: each is answered (status $status, $ended)" \
		[ "$status $ended $(grep -c 'the process of ' "$scratch/out")" = '0 itself 0' ]
	[ "$status" = 0 ] || show "$scratch/out"
	check "... nothing beside the shared directory was changed" [ "$before" = "$(state)" ]
	check "... the directory was" [ "$inside" != "$(listing "$data")" ]
	check "... and has no file with rights of its own" [ -z "$(find "$data" -type f -perm /6000)" ]
	check "... nor more devices, FIFOs and sockets than it had" [ "$(specials)" -le "$special" ]
done
done_testing
