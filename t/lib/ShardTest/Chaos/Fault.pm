package ShardTest::Chaos;

# The faults of a cell.  The migrator stands at the phase, stopped, when one
# is made; it goes on while the fault lasts, or another migrator does.

use warnings;
use strict;

use HTTP::Tiny;
use Time::HiRes qw/ sleep /;

use ShardTest;

my $down_s = 2;             # that a killed one is away
my $bad_s = 4;              # that a target answers 500, or has no room


sub fault {
    my ($self) = @_;

    my $t = $self->{t};
    my $m1 = $self->{m1};
    my $fault = $self->{fault};

    if ($fault eq 'kill') {
        $m1->kill();
        $self->start_migrator('m2');

    } elsif ($fault eq 'stop') {
        $self->start_migrator('m2');
        sleep($ENV{CHAOS_STOP_S} || 10);
        $m1->signal('CONT');

    } elsif ($fault =~ /-killed$/) {
        $self->killed($fault);

    } elsif ($fault eq 'reload') {
        my $nginx = $t->process('edge-1');
        my %old = map { $_ => 1 } $nginx->children();

        $nginx->signal('HUP');
        $m1->signal('CONT');
        wait_for { (grep { !$old{$_} } $nginx->children()) >= 2 } 60,
            'new workers';

    } elsif ($fault eq 'disk-full') {
        $self->{disk} ? $self->no_room() : $self->fill();
        $m1->signal('CONT');
        $self->room_again() if $self->{disk};

    } elsif ($fault =~ /^target-(500|slow)$/) {
        $self->mode($1 eq '500' ? '500' : 'slow 150');
        $m1->signal('CONT');
        sleep($bad_s);
        $self->mode('pass') if $1 eq '500';

    } elsif ($fault =~ /^clock-(ahead|back)$/) {
        spew($t->dir() . '/clock', ($1 eq 'ahead' ? '+' : '-') . '3600');
        $m1->signal('CONT');
    }
}


# a node goes with its store, as a machine does; a store alone, too

sub killed {
    my ($self, $fault) = @_;

    my $t = $self->{t};
    my ($what) = $fault =~ /^(\w+)/;
    my $name = { source => 'n1', target => 'n2', redis => 'redis',
                 router => 'edge-2' }->{$what};
    my $store = ($self->{store} || {})->{$name};
    my $process = $fault =~ /-store-/ ? undef : $t->process($name);

    $process->kill() if $process;
    $store->{kill}->() if $store;
    $self->{m1}->signal('CONT');
    sleep($down_s);
    $store->{start}->() if $store;
    $process->start() if $process;
    $t->redis()->close() if $name eq 'redis';
}


# another shard of the target takes all the room there is

sub fill {
    my ($self) = @_;

    my $http = HTTP::Tiny->new(timeout => 10);
    my $url = "http://$self->{target_addr}";
    my $n = 0;

    $http->put("$url/_shard/99/role",
               { content => '{"role":"primary","epoch":1}' });

    while ($n++ < 2000) {
        my $got = $http->put("$url/kv/fill-$n", {
            content => 'x' x 100000, headers => { 'X-Shard-Id' => 99 } });

        return if $got->{status} == 507;
        die "filling the target: $got->{status} $got->{content}\n"
            if $got->{status} !~ /^20/;
    }

    die "the target has room without end\n";
}


# of a store: a server may end of it, as Redis does that cannot write what it
# has to answer for, and is started again when somebody has made room

sub no_room {
    my ($self) = @_;

    my $process = $self->{store}{$self->{target}}{process};

    $process->{asked} = 1 if $process;
    $self->{disk}->fill();
}


sub room_again {
    my ($self) = @_;

    sleep($bad_s);
    $self->{disk}->free();
    $self->{store}{$self->{target}}{start}->();
}


1;
