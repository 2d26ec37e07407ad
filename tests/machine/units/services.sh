#!/bin/sh
# services.sh UNIT... - a stand-in for systemd: keeps these services of /etc/systemd/system running while the conditions of
# the unit and its drop-ins hold, and nothing else. Of a unit it knows ExecStart= with continued lines, comments between
# them left out, and ConditionPathExists=; Type=, After= and the rest are not looked at.
# As systemctl: `systemctl stop UNIT`, `systemctl start UNIT`.
units=/etc/systemd/system
state=/run/services
log=/var/log/services.log
pause=2
export PATH=/usr/local/bin:/usr/bin:/bin:/sbin

say() { echo "services: $*" | tee -a "$log" >/dev/console; }

command_of() {
	awk '/^[#;]/ { next }
		sub(/^ExecStart=/, "") { inside = 1 }
		inside { more = sub(/\\$/, ""); printf "%s ", $0; if (!more) exit }' "$units/$1"
}

conditions_hold() {
	# Each line is one path, without blanks.
	# shellcheck disable=SC2013
	for path in $(sed -n 's/^ConditionPathExists=//p' "$units/$1" "$units/$1.d"/*.conf 2>/dev/null); do
		case $path in
		!*) [ ! -e "${path#!}" ] || return 1 ;;
		*) [ -e "$path" ] || return 1 ;;
		esac
	done
}

is_running() { [ -f "$state/$1.pid" ] && kill -0 "$(cat "$state/$1.pid")" 2>/dev/null; }

keep() {
	is_running "$1" && return
	[ ! -e "$state/$1.stopped" ] && [ -f "$units/$1" ] && conditions_hold "$1" || return
	unit=$1
	# The words of a command.
	# shellcheck disable=SC2046
	set -- $(command_of "$unit")
	"$@" >>"/var/log/${unit%.service}.log" 2>&1 </dev/null &
	echo $! >"$state/$unit.pid"
	[ -e "$state/$unit.told" ] || say "$unit started ($!)"
	: >"$state/$unit.told"
}

systemctl() {
	unit=${2%.service}.service
	case $1 in
	start) rm -f "$state/$unit.stopped" "$state/$unit.told" ;;
	stop)
		: >"$state/$unit.stopped"
		is_running "$unit" && kill "$(cat "$state/$unit.pid")"
		n=0
		while is_running "$unit" && [ $n -lt 60 ]; do
			sleep 1
			n=$((n + 1))
		done
		! is_running "$unit"
		;;
	*) say "systemctl $1: not known here" ;;
	esac
}

mkdir -p "$state"
case ${0##*/} in systemctl)
	systemctl "$@"
	exit
	;;
esac
echo $$ >/run/services.pid
while :; do
	for unit; do keep "$unit"; done
	sleep "$pause"
done
