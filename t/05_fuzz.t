#!/usr/bin/perl

# Every fuzz target from its seeds, two at a time: 60 s each where CI is set,
# else a few, FUZZ_SECONDS in any case.  `make fuzz` looks for longer.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);

my $root = dirname(__FILE__) . '/..';
my $seconds = $ENV{FUZZ_SECONDS} || ($ENV{CI} ? 60 : 3);
my $at_once = 2;
my @targets = map { basename($_, '.c') } glob("$root/fuzz/*.c");

my $tmp = tempdir(CLEANUP => 1);

open(my $probe, '>', "$tmp/probe.c") or die "$tmp/probe.c: $!\n";
print $probe "#include <stddef.h>\n#include <stdint.h>\n"
    . "int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)"
    . " { (void) d; (void) n; return 0; }\n";
close($probe);

if (system("clang -fsanitize=fuzzer,address,undefined -o $tmp/probe"
           . " $tmp/probe.c >$tmp/probe.log 2>&1"))
{
    plan skip_all => 'no clang with libFuzzer here (libclang-rt-14-dev)';
}

ok(scalar @targets, scalar(@targets) . ' targets');
is(system("make -s -j$at_once -C '$root' fuzzers >$tmp/make.log 2>&1"), 0,
   'they build')
    or diag(slurp("$tmp/make.log"));

my %running;
my @left = @targets;

while (@left || %running) {
    start(shift @left) while @left && keys %running < $at_once;

    for my $pid (keys %running) {
        next if waitpid($pid, WNOHANG) != $pid;
        ended(delete $running{$pid}, $?);
    }

    sleep(0.05);
}

done_testing();


END {
    my $status = $?;
    kill('KILL', keys %running);
    $? = $status;
}


sub start {
    my ($name) = @_;

    my @seeds = glob("$root/fuzz/corpus/$name/*");

    ok(scalar @seeds, "$name: " . scalar(@seeds) . ' seeds');
    mkdir("$tmp/$name");

    my $pid = fork();
    die "cannot fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        open(STDOUT, '>', "$tmp/$name.log") or POSIX::_exit(126);
        open(STDERR, '>&', \*STDOUT);
        { exec("$root/build/fuzz/$name", '-verbosity=0',
               "-max_total_time=$seconds", '-timeout=5', '-rss_limit_mb=1024',
               '-max_len=8192', '-print_final_stats=1',
               "-artifact_prefix=$root/build/fuzz/$name-", "$tmp/$name",
               "$root/fuzz/corpus/$name") }
        POSIX::_exit(127);
    }

    $running{$pid} = $name;
}


sub ended {
    my ($name, $status) = @_;

    my $log = slurp("$tmp/$name.log");
    my ($runs) = $log =~ /number_of_executed_units:\s+(\d+)/;
    my ($kept) = $log =~ /Test unit written to (\S+)/;

    is($status, 0, "$name: nothing found in $seconds s")
        or diag($kept ? "the input that does it: $kept\nagain by:"
                        . " $root/build/fuzz/$name $kept\n" : '',
                join("\n", grep { defined } (split(/\n/, $log))[-40 .. -1]));
    cmp_ok($runs || 0, '>', 1000, "$name: " . ($runs || 'no') . ' inputs');
}


sub slurp {
    my ($path) = @_;

    open(my $in, '<', $path) or return '';
    local $/;
    my $text = <$in>;

    return defined $text ? $text : '';
}
