"""Whether anything of the test subjects has reached what is fitted: looked for in the files of the run itself."""
