#!/bin/sh
# Boots a node: PID 1 of new PID, mount, network, UTS, IPC and cgroup namespaces makes them look like a machine of its
# own and then only waits. All of it, every mount too, is gone when this process is.
#
# In: NODE (name), ROOT (an empty directory), DISK (its /var, kept between boots), CONFIG (its /opt/kubernetes/config),
# PROGRAMS (/opt/kubernetes/bin), PAUSE (the program that waits), MACHINE_ID, CGROUPS (lines "mount point|v1 option").
set -eu

mount -t tmpfs -o mode=755 "$NODE" "$ROOT"
cd "$ROOT"

# The host's programs, read-only.
for directory in usr bin sbin lib lib32 lib64 libx32 etc; do
	if [ -L "/$directory" ]; then
		ln -s "$(readlink "/$directory")" "$directory"
	elif [ -d "/$directory" ]; then
		mkdir "$directory"
		mount --rbind "/$directory" "$directory"
		mount -o remount,bind,ro "$directory"
	fi
done

# The node's own disk and memory.
mkdir dev proc sys run tmp var root home mnt opt opt/kubernetes opt/kubernetes/bin opt/kubernetes/config
mount --bind "$DISK" var
mount --bind "$CONFIG" opt/kubernetes/config
mount --bind "$PROGRAMS" opt/kubernetes/bin
mount -o remount,bind,ro opt/kubernetes/bin
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir -p run/node run/lock var/lib/proffer var/lib/kubelet var/lib/containerd var/log/pods var/tmp
[ -e var/run ] || ln -s /run var/run
cp "$PAUSE" run/node/pause

# The kernel's file systems, as seen from the new namespaces.
mount --rbind /dev dev
mount -t proc proc proc
mount -t sysfs sysfs sys
case "$CGROUPS" in
"/sys/fs/cgroup|") mount -t cgroup2 cgroup2 sys/fs/cgroup ;;
*)
	mount -t tmpfs -o mode=755 cgroup sys/fs/cgroup
	echo "$CGROUPS" | while IFS='|' read -r point option; do
		mkdir -p ".$point"
		if [ -n "$option" ]; then
			mount -t cgroup -o "$option" cgroup ".$point"
		else
			mount -t cgroup2 cgroup2 ".$point"
		fi
	done
	for link in /sys/fs/cgroup/*; do
		if [ -L "$link" ]; then ln -s "$(readlink "$link")" ".$link"; fi
	done
	;;
esac

# What the kubelet would set for the whole host it sets in these files; and every boot has an ID of its own.
own() {
	[ -e "$1" ] || return 0
	mkdir -p "run/node/$(dirname "$1")"
	echo "$2" >"run/node/$1"
	mount --bind "run/node/$1" "$1"
}
own proc/sys/vm/overcommit_memory 1
own proc/sys/vm/panic_on_oom 0
own proc/sys/kernel/panic 10
own proc/sys/kernel/panic_on_oops 1
own proc/sys/kernel/keys/root_maxkeys 1000000
own proc/sys/kernel/keys/root_maxbytes 25000000
own proc/sys/kernel/random/boot_id "$(cat /proc/sys/kernel/random/uuid)"
own etc/machine-id "$MACHINE_ID"
echo "$NODE" >proc/sys/kernel/hostname
echo 1 >proc/sys/net/ipv4/ip_forward
if [ -e proc/sys/net/bridge/bridge-nf-call-iptables ]; then echo 1 >proc/sys/net/bridge/bridge-nf-call-iptables; fi

mkdir old
pivot_root . old
cd /
umount -l /old
rmdir /old
# What one namespace of this node mounts, the others see: kubelet, containerd and pods with mount propagation need it.
mount --make-rshared /
: >/run/node/booted
exec /run/node/pause
