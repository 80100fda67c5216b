#!/usr/bin/perl

# shardctl and who reads its output: a reader that leaves ends it as it ends
# all programs of a pipe, by SIGPIPE and without a word; a disk that is full
# is a failure with a message.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;

use ShardTest;

my $t = ShardTest->new();

plan(skip_all => 'no build/shardctl') if !-x $t->program('shardctl');

$t->start_redis();

my $dir = $t->dir();
my @global = ('--redis', $t->redis_addr(), '-k', 'orders');


# wait status and messages of shardctl with its output at "out"

sub into {
    my ($out, $sigpipe, @args) = @_;

    my $pid = fork();
    die "cannot fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        $SIG{PIPE} = $sigpipe;
        open(STDOUT, '>&', $out);
        open(STDERR, '>', "$dir/err");
        { exec($t->program('shardctl'), @args) }
        POSIX::_exit(127);
    }

    close($out);
    waitpid($pid, 0);

    return ($?, slurp("$dir/err"));
}


sub unread {
    my ($sigpipe, @args) = @_;

    pipe(my $in, my $out) or die "pipe(): $!\n";
    close($in);

    return into($out, $sigpipe, @args);
}


sub quiet {
    my ($name, @args) = @_;

    for my $sigpipe (qw/ DEFAULT IGNORE /) {
        my ($status, $err) = unread($sigpipe, @args);

        is($status, POSIX::SIGPIPE, "$name: SIGPIPE, $sigpipe before");
        is($err, '', "$name: without a word");
    }
}


quiet('short output, no server', '--version');
quiet('long output, no server', '--help-markdown');

$t->ctl('init', '--shards', 2000, '--driver', 'none',
        map { ('--node', "n$_=127.0.0.1:800$_,zone=z$_,capacity=100") } 1 .. 2);

quiet('short output', @global, 'nodes');
quiet('long output', @global, 'shards', '--json');
quiet('a watch', @global, 'watch', '--interval', '100ms');

# what was decided before the reader left stays decided

my ($status, $err) = unread('DEFAULT', @global, 'migrate', 0,
                            $t->ctl('shards')->{shards}[0]{primary} eq 'n1'
                            ? 'n2' : 'n1');

is("$status $err", POSIX::SIGPIPE . ' ', 'migrate: SIGPIPE');
is($t->redis()->command('XLEN', $t->key('decisions')), 1, 'its decision stays');


# what users type: the last line is head's, the status shardctl's

my $line = join ' ', $t->program('shardctl'), '--help-markdown';
my ($rc, $out);

($rc, $out, $err) = $t->run('bash', '-c', "$line | head -n 1; exit \${PIPESTATUS[0]}");

is($out, "# shardctl\n", '| head: its line');
ok($rc == 0 || $rc == 141, '| head: status') or diag("status $rc");
is($err, '', '| head: nothing else');


for my $args ([ @global, 'nodes' ], [ '--help-markdown' ],
              [ @global, 'watch', '--interval', '100ms' ])
{
    open(my $full, '>', '/dev/full') or die "/dev/full: $!\n";

    ($status, $err) = into($full, 'DEFAULT', @$args);

    is($status >> 8, 1, "a full disk: $args->[-1]");
    like($err, qr/\Ashardctl: cannot write the output: No space left on device$/,
         'says so');
}

$t->finish();

done_testing();
