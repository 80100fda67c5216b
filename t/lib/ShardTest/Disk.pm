package ShardTest::Disk;

# A small disk of a test: a tmpfs over a folder, in a mount namespace that a
# process of its own holds.  It is gone with that process, and that with the
# test, so that no mount is left behind.  For root only.
#
#     my $disk = ShardTest::Disk->new(dir => "$dir/d2", mb => 200);
#     $t->start_data_redis('d2', before => [ $disk->inside() ]);
#     $disk->fill(); $disk->free(); $disk->end();

use warnings;
use strict;

use POSIX ();

use ShardTest;


sub new {
    my ($class, %args) = @_;

    my $self = bless { %args }, $class;
    my $said = pipe(my $from, my $to) && fork() // die "disk: $!\n";

    if ($said == 0) {
        POSIX::setpgid(0, 0);
        open(STDOUT, '>&', $to);
        exec('setpriv', '--pdeathsig', 'KILL', 'unshare', '-m',
             '--propagation', 'private', 'sh', '-c',
             "mount -t tmpfs -o size=$self->{mb}m none $self->{dir} "
             . '&& chmod 777 ' . $self->{dir}
             . ' && echo mounted && exec sleep 900')
            or POSIX::_exit(127);
    }

    close($to);
    $self->{pid} = $said;

    my $line = readline($from) // '';
    die "disk: no tmpfs at $self->{dir}\n" if $line ne "mounted\n";

    return $self;
}


# what a program is started by that is to have this disk

sub inside { return ('nsenter', '-t', $_[0]->{pid}, '-m', '--') }


# its folder, seen from outside

sub path { return "/proc/$_[0]->{pid}/root$_[0]->{dir}" }


# to the last byte

sub fill {
    my ($self) = @_;

    open(my $f, '>', $self->path() . '/balloon') or die "balloon: $!\n";

    for my $size (65536, 512) {
        1 while syswrite($f, "\0" x $size);
    }

    die "the disk is not full: $!\n" if !$!{ENOSPC};
}


sub free { unlink($_[0]->path() . '/balloon') }


sub end {
    my ($self) = @_;

    return if !$self->{pid};

    kill('KILL', $self->{pid});
    waitpid($self->{pid}, 0);
    $self->{pid} = undef;
}


1;
