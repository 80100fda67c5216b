#!/usr/bin/perl

# Every test that runs nginx once more, with the module and the programs under
# AddressSanitizer and UBSan: two at a time, the time of each is told.  One
# that fails without a report of theirs is tried again alone: what they slow
# down may miss a deadline beside another one.  SHARD_TEST=PATTERN takes some.

use warnings;
use strict;

use File::Basename qw/ basename /;
use POSIX qw/ WNOHANG /;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;

# what stays out, and why

my %out = (
    '02_static.t' => 'its nginx is built without sanitizers',
    '24_million.t' => 'its bounds are of time and of memory; the same code runs with few shards',
    '55_split_crash.t' => 'what of the module it needs 55_split.t does',
    '72_many.t' => '70_e2e.t does the same with twenty moves',
    '73_chaos.t' => '71_e2e_faults.t and 74_rogue.t have its faults',
    '80_sanitize.t' => 'it is one itself',
    '81_sanitize_nginx.t' => 'this file',
    '82_fuzz_nginx.t' => 'it takes the sanitizer build by itself',
    '83_leaks.t' => 'it takes the sanitizer build by itself',
);

my $top = ShardTest::top();
my $at_once = 2;
my $seconds = 300;
my $pattern = $ENV{SHARD_TEST} || '.';

plan(skip_all => 'no sanitizer build here: make sanitize')
    if !-e "$top/build/san/ngx_http_shard_module.so";

my $log = "$top/build/t/sanitize";
mkdir("$top/build/t");
mkdir($log);

my @left = grep { /$pattern/ && !$out{$_} }
           map { basename($_) }
           grep { slurp($_) =~ /start_nginx|nginx_program|sbin\/nginx/ }
           glob("$top/t/*.t");
my (%running, @again);

ok(scalar @left, scalar(@left) . ' tests');

while (@left || %running) {
    start(shift @left) while @left && keys %running < $at_once;
    look(0);
    sleep(0.05);
}

for my $name (@again) {
    start($name);

    while (%running) {
        look(1);
        sleep(0.05);
    }
}

done_testing();


END {
    my $status = $?;
    kill('TERM', map { -$_ } keys %running);
    $? = $status;
}


sub start {
    my ($name) = @_;

    my $pid = fork();
    die "cannot fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        $ENV{SHARD_SAN} = 1;
        $ENV{SHARD_TEST_SHARDS} ||= 20000;
        open(STDOUT, '>', "$log/$name.log") or POSIX::_exit(126);
        open(STDERR, '>&', \*STDOUT);
        { exec($^X, "-I$top/t/lib", "$top/t/$name") }
        POSIX::_exit(127);
    }

    $running{$pid} = { name => $name, began => time() };
}


# "last": it had a second chance

sub look {
    my ($last) = @_;

    for my $pid (keys %running) {
        my $one = $running{$pid};

        if (waitpid($pid, WNOHANG) == $pid) {
            delete $running{$pid};
            ended($one, $?, $last);

        } elsif (time() - $one->{began} > $seconds) {
            kill($one->{asked}++ ? 'KILL' : 'TERM', -$pid);
            $one->{began} += 20;
        }
    }
}


sub ended {
    my ($one, $status, $last) = @_;

    my $text = slurp("$log/$one->{name}.log");
    my $told = sprintf '%s: %.1f s', $one->{name}, time() - $one->{began};
    my @reports = grep { /Sanitizer|runtime error/ }
                  map { split /\n/ } $text, logs($text);

    if ($status && !@reports && !$last) {
        note("$told, failed and is tried again:\n", wrong($text));
        push @again, $one->{name};
        return;
    }

    ok($status == 0 && !@reports, $told)
        or diag(join "\n", @reports ? @reports[0 .. ($#reports > 9 ? 9 : $#reports)] : wrong($text),
                "all of it is in $log/$one->{name}.log");
}


sub wrong { return join "\n", grep { /^not ok|^\s*#|^not within/ } split /\n/, $_[0] }


# what a test that died left

sub logs {
    my ($text) = @_;

    return map { slurp($_) } grep { -f }
           map { glob("$_/*.log $_/nginx/error.log") }
           $text =~ /^# logs are in (\S+)/mg;
}
